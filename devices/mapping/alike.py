"""One reject for many: a wrong setting, or a file of another kind, must not fill the quarantine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from devices.driver import Item, Reading, Rejected
from devices.tills import RAW_LIMIT

MOST_ALIKE = 100


class Alike:
    """As long as nothing at all could be read, rejects beyond the first hundred are counted."""

    def __init__(self) -> None:
        self._readings = self._rejects = self._more = 0
        self._reason = ""
        self._raw = b""

    def told(self, items: Iterable[Item]) -> list[Item]:
        """Those that are told by themselves."""
        return [item for item in items if self._by_itself(item)]

    def rest(self, at: datetime) -> list[Item]:
        """One for those that were counted, with as much of their bytes as is kept."""
        if not self._more:
            return []
        return [Rejected(f"{self._more} more could not be read; {self._reason}", self._raw, at)]

    def _by_itself(self, item: Item) -> bool:
        if isinstance(item, Reading):
            self._readings += 1
            return True
        self._rejects += 1
        if self._readings or self._rejects <= MOST_ALIKE:
            return True
        self._more += 1
        self._reason = self._reason or item.reason
        self._raw = (self._raw + item.raw + b"\n")[:RAW_LIMIT]
        return False
