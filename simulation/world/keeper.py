"""The recorder's own shell without its threads: turns when told, rests in simulated time, hands its cuts over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from edge_agent.buffer import Buffer
from edge_agent.buffer.space import Limits
from edge_agent.clock import Clock
from edge_agent.recorder.core import Recorder
from edge_agent.recorder.cutting import Piece
from edge_agent.recorder.desk import Desk
from edge_agent.recorder.epochs import Seal
from edge_agent.recorder.messages import Event, Flush
from edge_agent.recorder.shell import RecorderThread

T = TypeVar("T")


class Patience(threading.Event):
    """Never set; waiting for it lets the world go on."""

    def __init__(self, rest: Callable[[float], None]) -> None:
        super().__init__()
        self._rest = rest

    def wait(self, timeout: float | None = None) -> bool:
        self._rest(timeout or 0.0)
        return False


class NearDesk(Desk):
    """A desk whose questions are answered at once. wake: the recorder has something to do."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake
        self.buffer: Callable[[], Buffer]

    def ask(self, question: Callable[[Buffer], T]) -> T:
        return question(self.buffer())

    def tell(self, event: Event) -> None:
        super().tell(event)
        self._wake()


class Keeper(RecorderThread):
    """cutting: takes what shall be cut; the batch comes back as `CutDone`, over the desk."""

    def __init__(
        self,
        opened: Buffer,
        recorder: Recorder,
        desk: NearDesk,
        clock: Clock,
        seal: Seal,
        limits: Limits,
        rest: Callable[[float], None],
        cutting: Callable[[Piece], None],
    ) -> None:
        super().__init__(opened, recorder, desk, clock, seal, limits)
        desk.buffer = lambda: self._buffer
        self.desk = desk
        self._stopping = Patience(rest)
        self._cutting = cutting

    @property
    def core(self) -> Recorder:
        return self._recorder

    @property
    def buffer(self) -> Buffer:
        return self._buffer

    def turn(self) -> None:
        """One round of the loop, which finds a job at hand and so does not wait for one."""
        self._desk.jobs.put(Flush())
        self._turn()
        while not self._cuts.empty():
            piece = self._cuts.get_nowait()
            if piece is not None:
                self._cutting(piece)
