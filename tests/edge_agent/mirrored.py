"""A recorder with its mirror on another medium, as in the daemon, and what both files hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from edge_agent.buffer import Buffer
from edge_agent.buffer.mirror import TABLES
from edge_agent.clock import SystemClock
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.desk import Desk, Submission
from edge_agent.recorder.messages import Remember
from edge_agent.recorder.mirroring import FILE as MIRROR
from edge_agent.recorder.mirroring import Mirroring
from edge_agent.recorder.opening import open_buffer
from edge_agent.recorder.shell import RecorderThread
from records import Record
from records.types import StreamOpen
from tests.edge_agent.boxes import NOON, TestBox
from tests.edge_agent.test_buffer_damage import at_rest
from tests.edge_agent.test_recorder import AMPLE, until

COUNT = 300


class Running:
    """A recorder with its mirror, as in the daemon."""

    def __init__(self, desk: Desk, recorder: RecorderThread, mirroring: Mirroring, reason: str | None) -> None:
        self.desk = desk
        self.recorder = recorder
        self.mirroring = mirroring
        self.reason = reason

    def submit(self, records: list[Record]) -> None:
        """Returns once all are on the first medium."""
        tickets: list[Future[None]] = [
            self.desk.submit(Submission(record.device, [record], [None], {"n": b"%d" % n}))
            for n, record in enumerate(records)
        ]
        for ticket in tickets:
            ticket.result(60)

    def keep(self, number: int) -> None:
        """As the cursor of a folder, and as a counter."""
        self.desk.tell(Remember("lowest_serial", number))
        self.desk.submit(Submission("folder-1", [], [], {"at": b"%d" % number})).result(60)

    def in_step(self) -> bool:
        standing = self.mirroring.standing()
        return (standing.state, standing.behind) == ("in step", 0)

    def read(self, box: TestBox) -> list[Record]:
        """Everything that goes to headquarters, once all of it is cut; each number once."""
        until(lambda: at_rest(self.desk, self.recorder), "everything to be cut")
        return list(box.read_streams(self.desk.parcels(frozenset(), 10_000)).values())


class Late(threading.Event):
    """Set in the moment in which it is looked at, after `ends`."""

    ends: Callable[[], None] | None = None

    def is_set(self) -> bool:
        if self.ends:
            ends, self.ends = self.ends, None
            ends()
            self.set()
        return super().is_set()


@contextmanager
def running(folder: Path, medium: Path, box: TestBox, stop: threading.Event | None = None) -> Iterator[Running]:
    opened = open_buffer(folder, "0214", "box-1", box.seal, NOON, medium / MIRROR)
    desk, clock, stop = Desk(), SystemClock(), stop or threading.Event()
    mirroring = desk.mirror = Mirroring(medium, opened.view.transaction)
    core = Recorder(opened.identity, opened.view, box.seal, Policy())
    thread = RecorderThread(opened.buffer, core, desk, clock, box.seal, AMPLE)
    thread.start(opened.reason, opened.gaps)
    work = [
        threading.Thread(target=thread.run),
        threading.Thread(target=mirroring.run, args=(desk.ask, stop)),
    ]
    for each in work:
        each.start()
    try:
        yield Running(desk, thread, mirroring, opened.reason)
    finally:
        thread.stop()
        work[0].join(60)
        stop.set()
        work[1].join(60)
        assert not any(each.is_alive() for each in work)


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that counts in a closed file; batches without their place in it."""
    buffer = Buffer(path)
    found = {table.name: sorted(buffer.rows_of(f"SELECT * FROM {table.name}", ()), key=repr) for table in TABLES}  # noqa: S608
    columns = "digest, lane, epoch, first, last, oldest_us, size, settled_us, payload"
    found["outbox"] = sorted(buffer.rows_of(f"SELECT {columns} FROM outbox", ()), key=repr)  # noqa: S608
    found["fact"] = [row for row in found["fact"] if row[0] != "mirror"]
    buffer.close()
    return found


def told(records: list[Record]) -> list[str]:
    return [record.data.reason for record in records if isinstance(record.data, StreamOpen)]


def of(records: list[Record], made: list[Record]) -> int:
    return sum(record in records for record in made)
