"""The store's side under test, as these tests know it: the one place where they name its classes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire.batch import Row, pack_rows
from cloud_sync.wire.topics import Up
from edge_agent.buffer import Buffer, schema
from edge_agent.buffer.space import Limits
from edge_agent.buffer.transaction import lane_seq
from edge_agent.clock import Now
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.desk import BufferFull, Desk, Submission
from edge_agent.recorder.epochs import Seal
from edge_agent.recorder.opening import FILE, open_buffer
from edge_agent.recorder.shell import RecorderThread
from edge_agent.recorder.status import Status
from records import ClockQuality, Record
from tests.edge_agent.boxes import NOON, TestBox

__all__ = [
    "AMPLE",
    "FILE",
    "NOON",
    "SHORT_LOG",
    "TIGHT",
    "BufferFull",
    "Desk",
    "Life",
    "StepClock",
    "Submission",
    "TestBox",
    "begin",
    "open_file",
    "set_pragma",
    "states_of",
    "taken_out",
]
AMPLE = Limits(budget=2**30, floor=0, reserve=0)
SHORT_LOG = 200  # pages; where the buffer's own 1,000 make every look at a state read 4 MiB
TIGHT = Limits(budget=2_100_000, floor=0, reserve=0)  # with a short log
SHORT_EPOCHS = Policy(epoch_s=10.0, full=100)


class StepClock:
    """A clock that moves a little whenever it is read, and by as much as it is told."""

    def __init__(self, mono: float = 1000.0) -> None:
        self._mono = mono
        self._lock = threading.Lock()

    def now(self) -> Now:
        return Now(NOON, self.move(0.001), ClockQuality.SYNCED)

    def move(self, seconds: float) -> float:
        with self._lock:
            self._mono += seconds
            return self._mono


@dataclass
class Life:
    """A recorder at work on a folder's buffer."""

    desk: Desk
    clock: StepClock
    cursor: bytes | None
    _recorder: RecorderThread
    _thread: threading.Thread

    def goes_on(self) -> bool:
        """Whether the recorder still works."""
        return self._thread.is_alive()

    def status(self) -> Status:
        """What the buffer holds, by the recorder's own count."""
        return self._recorder.status()

    def end(self) -> None:
        """A clean stop."""
        self._recorder.stop()
        self._thread.join()


def begin(folder: Path, box: TestBox, device: str, limits: Limits = AMPLE) -> Life:
    """Opens the buffer and sets the recorder to work; `device`: whose cursor to read."""
    clock = StepClock()
    opened = open_buffer(folder, "0214", "box-1", box.seal, NOON)
    cursor = opened.buffer.state(device).get("cursor")
    core = Recorder(opened.identity, opened.view, box.seal, SHORT_EPOCHS)
    desk = Desk()
    recorder = RecorderThread(opened.buffer, core, desk, clock, box.seal, limits)
    recorder.start(opened.reason, opened.gaps)
    thread = threading.Thread(target=recorder.run, name="recorder", daemon=True)
    thread.start()
    return Life(desk, clock, cursor, recorder, thread)


Query = Callable[[str], list[Any]]


def open_file(folder: Path, seal: Seal) -> tuple[Buffer, str | None, Query]:
    """The buffer as the agent opens it after a crash, why its stream is new, and a way to look into it."""
    opened = open_buffer(folder, "0214", "box-1", seal, NOON)
    return opened.buffer, opened.reason, opened.buffer._db.all


def set_pragma(name: str, value: object) -> None:
    """Every buffer opened from now on in this process has another value of a pragma that it sets."""
    begins = f"PRAGMA {name}="
    assert any(pragma.startswith(begins) for pragma in schema.PRAGMAS), name
    schema.PRAGMAS = tuple(f"{begins}{value}" if pragma.startswith(begins) else pragma for pragma in schema.PRAGMAS)


def states_of(life: Life, device: str) -> dict[str, bytes]:
    """What a driver's readings last committed."""
    return life.desk.ask(lambda buffer: buffer.state(device))


def taken_out(folder: Path, box: TestBox) -> list[Record]:
    """Every record in a buffer, opened as HQ would; an assertion when a number is there twice."""
    buffer, _, query = open_file(folder, box.seal)
    parcels = [Parcel(raw[:32], Up.EPOCH, raw) for (raw,) in query("SELECT raw FROM header_a")]
    parcels += [Parcel(digest, Up.BATCH, payload) for digest, payload in query("SELECT digest, payload FROM outbox")]
    epochs = dict(query("SELECT ordinal, epoch FROM epoch"))
    for id_, epoch, *row in query("SELECT id, epoch, type, dictionary, sealed FROM journal"):
        lane, seq = lane_seq(id_)
        parcels.append(Parcel(b"", Up.BATCH, pack_rows(lane, epochs[epoch], seq, [Row(*row)])))
    buffer.close()
    return list(box.read_streams(parcels).values())
