"""What is wrong with a link that looks well, in the words of `Figures`."""

from __future__ import annotations

from math import inf


class Diagnosis:
    """notice_s: after so long without its receipt a parcel is told of. A fault stays until HQ's next word."""

    def __init__(self, notice_s: float) -> None:
        self._notice_s = notice_s
        self.fault = ""

    def heard(self) -> None:
        """HQ has spoken."""
        self.fault = ""

    def look(self, oldest: float, quiet_since: float, sizes: str, now: float) -> None:
        """oldest: since when the oldest parcel in flight waits, infinity without any; sizes: `SizeLimit.fault`."""
        late = now >= oldest + self._notice_s
        if late and now >= quiet_since + self._notice_s:
            self.fault = "no-receipts"
        else:
            self.fault = sizes or ("late-receipts" if late else self.fault)

    def due(self, oldest: float, quiet_since: float) -> float:
        """When to look again though nothing happens."""
        match self.fault:
            case "":
                return oldest + self._notice_s
            case "no-receipts":
                return inf
            case _:
                return max(quiet_since, oldest) + self._notice_s
