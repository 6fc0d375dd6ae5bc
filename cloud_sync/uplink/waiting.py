"""What was fetched from the disk and has not gone out yet: headers, fresh batches, the backlog, in this order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire.topics import Up


class Waiting:
    """Three queues; each goes out in its own order."""

    def __init__(self) -> None:
        self._headers: deque[Parcel] = deque()
        self._fresh: deque[Parcel] = deque()
        self._backlog: deque[Parcel] = deque()

    def __iter__(self) -> Iterator[Parcel]:
        return chain(self._headers, self._fresh, self._backlog)

    @property
    def headers(self) -> int:
        return len(self._headers)

    def has(self, *, fresh: bool) -> bool:
        return bool(self._fresh if fresh else self._backlog)

    def add(self, parcel: Parcel) -> None:
        batches = self._fresh if parcel.fresh else self._backlog
        (self._headers if parcel.what is Up.EPOCH else batches).append(parcel)

    def first(self) -> list[Parcel]:
        """The head of each queue."""
        return [queue[0] for queue in self._queues if queue]

    def next(self, may: Callable[[Parcel], bool]) -> Parcel | None:
        """Takes the first head that may go."""
        return next((queue.popleft() for queue in self._queues if queue and may(queue[0])), None)

    def drop(self, wrong: Callable[[Parcel], bool]) -> bool:
        """Forgets what is wrong; whether anything was."""
        before = sum(map(len, self._queues))
        self._headers, self._fresh, self._backlog = (
            deque(parcel for parcel in queue if not wrong(parcel)) for queue in self._queues
        )
        return sum(map(len, self._queues)) < before

    @property
    def _queues(self) -> tuple[deque[Parcel], deque[Parcel], deque[Parcel]]:
        return self._headers, self._fresh, self._backlog
