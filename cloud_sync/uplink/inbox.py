"""The uplink's bounded queue of events."""

from __future__ import annotations

import contextlib
import queue

from cloud_sync.uplink.messages import Event, Tick

SIZE = 256


class Inbox:
    """Many threads put, one takes."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Event] = queue.Queue(SIZE)

    def put(self, event: Event) -> None:
        """Waits for room, so that a flood from the broker slows the broker."""
        self._queue.put(event)

    def offer(self, event: Event) -> None:
        """Never waits: for `NewParcels` and `Say`, of which one that finds no room can be spared.

        The thread that owns the disk must use this one, since the uplink waits for it.
        """
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(event)

    def take(self, wait_s: float) -> Event:
        """The next event, or a `Tick` after `wait_s`."""
        try:
            return self._queue.get(timeout=max(0.0, wait_s))
        except queue.Empty:
            return Tick()
