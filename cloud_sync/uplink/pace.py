"""How fast batches may go, by HQ's word: a token bucket that holds one second."""

from __future__ import annotations


class PaceLimit:
    """bytes_per_s: 0 or less means no limit."""

    def __init__(self) -> None:
        self.bytes_per_s = 0
        self.free_at = 0.0

    def set(self, bytes_per_s: int) -> None:
        """A change begins at once; being told the same again changes nothing."""
        if bytes_per_s != self.bytes_per_s:
            self.bytes_per_s, self.free_at = bytes_per_s, 0.0

    def allows(self, now: float) -> bool:
        return now >= self.free_at

    def spend(self, size: int, now: float) -> None:
        """`size` bytes go out at `now`."""
        if self.bytes_per_s > 0:
            self.free_at = max(self.free_at, now - 1.0) + size / self.bytes_per_s
