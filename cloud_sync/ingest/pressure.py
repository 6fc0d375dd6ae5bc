"""How fast boxes may drain their backlogs, by how long the warehouse takes. No I/O.

A transaction that takes long, or the first after the warehouse was away, means pressure: the boxes in it are told a
pace that the warehouse manages, and to spread their reconnects further. Nothing is dropped for it, and fresh records
stay within any pace. Once transactions have been quick for a while the boxes are let go. Losing a pace is healed: it is
said again while it holds, and that none holds is said ever more rarely to every box, also for one that a crashed worker
left slow. The span of reconnects that is said with it is as long as the fleet that this worker has heard needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from cloud_sync.ingest.work import Sender

SLOW = timedelta(seconds=3)
CALM_AFTER = timedelta(seconds=60)
REPEAT = timedelta(seconds=30)
FIRST_CALM = timedelta(minutes=10)  # after a box was first heard
REPEAT_CALM, MOST_CALM = timedelta(minutes=1), timedelta(hours=6)
LEAST = 2_000  # bytes a second: several records a second, so that live business goes on
CALM_SPREAD_S, SPREAD_S = 30, 300
ADMITTED = 200  # sessions a second that a broker begins without refusing any
_MARGIN = 1.8  # boxes that tried in vain come beside those that had not tried yet
_SHARE = 0.8  # of what the warehouse managed


def calm_spread_s(boxes: int) -> int:
    """Over how many seconds so many boxes come back, so that their broker never refuses one."""
    return max(CALM_SPREAD_S, int(boxes / ADMITTED * _MARGIN))


class Pressure:
    """One worker's view. Times are HQ's clock."""

    def __init__(self) -> None:
        self._began: datetime | None = None
        self._slow_at: datetime | None = None
        self._was_away = False
        self._due: dict[Sender, datetime] = {}
        self._calm: dict[Sender, timedelta] = {}  # the pause before it is said again that no pace holds
        self._paced: set[Sender] = set()

    def begins(self, now: datetime) -> None:
        """A transaction is under way."""
        self._began = now

    def failed(self) -> None:
        """It did not happen."""
        self._began, self._was_away = None, True

    def ended(self, sizes: Mapping[Sender, int], now: datetime) -> list[tuple[Sender, int, int]]:
        """A transaction with so many bytes of each box is done: to whom to tell which pace and span, in seconds."""
        took = max(now - self._began, timedelta(milliseconds=1)) if self._began else timedelta(milliseconds=1)
        slow, self._was_away, self._began = took >= SLOW or self._was_away, False, None
        if slow:
            self._slow_at = now
        if self._slow_at is not None and now - self._slow_at < CALM_AFTER:
            return self._hold(sizes, took, now)
        return self._let_go(sizes, now)

    def _hold(self, sizes: Mapping[Sender, int], took: timedelta, now: datetime) -> list[tuple[Sender, int, int]]:
        manages = sum(sizes.values()) / took.total_seconds()
        pace = max(LEAST, int(_SHARE * manages / max(len(sizes), 1)))
        told = []
        for sender in sizes:
            if sender not in self._paced or now >= self._due[sender]:
                self._paced.add(sender)
                self._due[sender] = now + REPEAT
                self._calm.pop(sender, None)
                told.append((sender, pace, SPREAD_S))
        return told

    def _let_go(self, sizes: Mapping[Sender, int], now: datetime) -> list[tuple[Sender, int, int]]:
        freed = {*self._paced}
        self._paced.clear()
        freed |= {sender for sender in sizes if now >= self._due.setdefault(sender, now + FIRST_CALM)}
        for sender in freed:
            pause = self._calm.get(sender, REPEAT_CALM)
            self._due[sender], self._calm[sender] = now + pause, min(2 * pause, MOST_CALM)
        return [(sender, 0, calm_spread_s(len(self._due))) for sender in sorted(freed)]
