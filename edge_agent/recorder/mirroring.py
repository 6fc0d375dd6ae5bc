"""Keeping the mirror up: a thread of its own, so that a slow or absent medium never holds up accepting.

    away ──the medium answers──▶ comparing ──▶ in step ──the medium fails──▶ away
                                     ▲             │ more is on its way than memory should hold
                                     └─────────────┘

The recorder hands over every transaction that is committed. In step, the mirror lags by what is on its way: `behind`
says by how many transactions, and those are what a loss of the first medium costs. Away or comparing, it may lack
everything since.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

from edge_agent.buffer import Buffer, BufferDamaged, BufferError, Transaction
from edge_agent.buffer.connection import is_there
from edge_agent.buffer.mirror import BEFORE, PAYLOADS, TABLES, Change, Mirror, OtherStream, Source, Table
from edge_agent.buffer.schema import NewerFormat
from edge_agent.buffer.verify import Ask

FILE = "mirror.db"
MOST = 8 * 1024 * 1024  # bytes that wait in memory for the medium
GROUP = 256
LOOK_S = 1.0
LENT_S = 10.0
_RETRY_S = (1.0, 5.0, 30.0, 60.0)
log = logging.getLogger(__name__)


State = Literal["in step", "comparing", "away"]


class Standing(NamedTuple):
    """How the mirror is. behind: transactions it does not have yet; reason: why it is away"""

    path: str
    state: State
    behind: int
    reason: str | None


class Interrupted(Exception):
    """The comparison has to begin anew."""


class Mirroring:
    """folder: on the other medium, never made here, so that a medium that is not mounted is noticed; since: the last
    transaction before those that will be handed over"""

    def __init__(self, folder: Path, since: int) -> None:
        self.path = folder / FILE
        self.on_change: Callable[[Standing], None] = lambda _: None
        self._state: State = "comparing"
        self._reason: str | None = None
        self._newest = self._applied = since
        self._guard = threading.Lock()  # of the queue
        self._queue: deque[Change] = deque()
        self._size = 0
        self._covers: int | None = since  # the queue has everything after this; None: it does not
        self._holding = threading.Lock()  # of the file
        self._mirror: Mirror | None = None
        self._wake = threading.Event()

    # --- the recorder's side: never waits for the medium -------------------------------------------------------------

    def took(self, change: Change) -> None:
        """The buffer has committed this."""
        with self._guard:
            if isinstance(change, Transaction):
                self._newest = change.number
            if self._covers is None:
                return
            self._queue.append(change)
            self._size += _weight(change)
            if self._size > MOST:
                self._forget_queue(None)
        self._wake.set()

    def compare(self) -> None:
        """Something was changed without a transaction."""
        with self._guard:
            self._forget_queue(None)
        self._wake.set()

    @contextmanager
    def lent(self) -> Iterator[Path | None]:
        """The closed mirror, for a salvage; None where it cannot be had. Afterwards it is compared anew."""
        held = self._holding.acquire(timeout=LENT_S)
        try:
            if held:
                self._close()
            with self._guard:
                self._forget_queue(None)
                self._newest = self._applied = 0
            yield self.path if held and is_there(self.path) else None
        finally:
            if held:
                self._holding.release()

    # --- for people --------------------------------------------------------------------------------------------------

    def standing(self) -> Standing:
        return Standing(str(self.path), self._state, max(0, self._newest - self._applied), self._reason)

    # --- the thread --------------------------------------------------------------------------------------------------

    def run(self, ask: Ask, stop: threading.Event) -> None:
        """Until `stop`; what is on its way then still goes to a mirror that is in step."""
        failures = 0
        while not stop.is_set():
            try:
                self._open(ask)
                failures = 0
                self._follow(stop)
            except Interrupted:
                continue
            except BufferDamaged as damage:
                self._put_by(str(damage))
            except OtherStream as other:
                self._put_by(f"of stream {other}")
            except (BufferError, OSError, NewerFormat) as fault:
                self._away(str(fault))
                stop.wait(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1
        with self._holding:
            self._close()

    def _open(self, ask: Ask) -> None:
        """Opens the file and makes it what the buffer is."""
        if not self.path.parent.is_dir():
            raise OSError(f"{self.path.parent} is not there; is the medium mounted? The folder is made by hand, once")
        identity = ask(lambda buffer: buffer.view().identity)
        if identity is None:
            raise BufferError("the buffer does not know its stream yet")
        epochs = ask(Source.epochs)
        with self._holding:
            self._close()
            mirror = self._mirror = Mirror(self.path, identity)
            if not mirror.same_as(epochs):
                raise OtherStream(f"{identity.stream.hex()}, gone another way")
            self._applied = mirror.transaction
            covered = not mirror.founded and self._covers is not None and self._covers <= self._applied
        if not covered:
            self._compare(ask)
        self._is("in step", None)

    def _put_by(self, why: str) -> None:
        """Nothing is deleted: what is in it may be nowhere else."""
        number = 0
        while (aside := self.path.with_name(f"{FILE}.damaged-{number}")).exists():
            number += 1
        with self._holding:
            self._close()
            for end in ("-wal", ""):
                with suppress(FileNotFoundError):
                    self.path.with_name(FILE + end).rename(aside.with_name(aside.name + end))
        log.error("event=mirror-set-aside file=%s reason=%r", aside, why)

    def _compare(self, ask: Ask) -> None:
        """Copies what the mirror lacks and drops what the buffer has not; what is committed meanwhile is queued."""
        self._is("comparing", None)
        ask(self._begin)
        for table in TABLES:
            if table.name == "journal":
                self._compare_batches(ask)  # before the rows, which become batches and not the other way
            self._compare_table(ask, table)
        with self._guard:
            if self._covers is None:
                raise Interrupted
            self._applied = self._covers

    def _begin(self, buffer: Buffer) -> None:
        transaction = buffer.view().transaction
        with self._guard:
            self._forget_queue(transaction)

    def _compare_table(self, ask: Ask, table: Table) -> None:
        after, last = table.first, False
        while not last:
            piece = ask(Source.piece(table, after))
            with self._holding:
                self._held().put(piece)
            after, last = piece.upto, piece.last

    def _compare_batches(self, ask: Ask) -> None:
        with self._holding:
            held = self._held().digests()
        after, gone = BEFORE[0], set(held)
        while rows := ask(Source.batches(after)):
            after = rows[-1][0]
            gone.difference_update(digest for _, digest, _ in rows)
            with self._holding:
                self._held().settle(rows)
            lacking = [id_ for id_, digest, _ in rows if digest not in held]
            for at in range(0, len(lacking), PAYLOADS):
                batches = ask(Source.payloads(lacking[at : at + PAYLOADS]))
                with self._holding:
                    self._held().take(batches)
        with self._holding:
            self._held().drop(gone)

    def _follow(self, stop: threading.Event) -> None:
        """Applies what comes, as many as are there in one commit."""
        while True:
            ending = stop.is_set()  # first: what came before it is in the queue
            with self._guard:
                if self._covers is None:
                    raise Interrupted
                some = [self._queue[at] for at in range(min(GROUP, len(self._queue)))]
            if some:
                with self._holding:
                    self._held().follow(some)
                self._done(some)
            elif ending:
                return
            else:
                self._wake.wait(LOOK_S)
                self._wake.clear()

    def _done(self, some: list[Change]) -> None:
        with self._guard:
            for change in some:
                if not self._queue or self._queue[0] is not change:
                    return  # it was emptied meanwhile
                self._queue.popleft()
                self._size -= _weight(change)
                if isinstance(change, Transaction):
                    self._covers = self._applied = change.number

    def _held(self) -> Mirror:
        if self._mirror is None:
            raise Interrupted
        return self._mirror

    def _close(self) -> None:
        if self._mirror is not None:
            self._mirror.close()
            self._mirror = None

    def _forget_queue(self, covers: int | None) -> None:
        self._queue.clear()
        self._size = 0
        self._covers = covers

    def _away(self, reason: str) -> None:
        with self._holding:
            self._close()
        self._is("away", reason)

    def _is(self, state: State, reason: str | None) -> None:
        before, self._state, self._reason = self._state, state, reason
        if state != before:
            log.warning("event=mirror-%s path=%s reason=%r", state.replace(" ", "-"), self.path, reason or "")
            self.on_change(self.standing())


@contextmanager
def lent(mirroring: Mirroring | None) -> Iterator[Path | None]:
    """The mirror for a salvage, where there is one."""
    if mirroring is None:
        yield None
    else:
        with mirroring.lent() as path:
            yield path


def _weight(change: Change) -> int:
    """Bytes that a change holds in memory, about."""
    if not isinstance(change, Transaction):
        return 64
    return 256 * (1 + len(change.rows)) + sum(len(batch.payload) for batch in change.batches)
