"""The buffer file itself; the package's docstring is its design."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from edge_agent.buffer.adoption import NOBODY, Adoption
from edge_agent.buffer.again import Again
from edge_agent.buffer.connection import BufferDamaged, BufferError, Connection
from edge_agent.buffer.inspection import Inspection
from edge_agent.buffer.outbox import HEADER_TABLES, Outbox
from edge_agent.buffer.schema import LANE_SUM
from edge_agent.buffer.space import Space
from edge_agent.buffer.transaction import TRANSACTION, JournalRow, NewEpoch, Transaction, lane_seq, row_id
from records import Lane

MIRROR = "mirror"  # the fact that makes a file a mirror
_BEGINNING = "beginning"
_NO_EPOCH = -(2**63)  # lower than every ordinal


class StreamIdentity(NamedTuple):
    """Which stream a file is. secret: keys the hashes of source identities."""

    stream: bytes
    previous: bytes | None
    store: str
    box: str
    secret: bytes


class View(NamedTuple):
    """What is in the file, read at opening. next, cut: by lane; epoch: ordinal and id of the newest, or None."""

    identity: StreamIdentity | None
    transaction: int
    next: dict[Lane, int]
    cut: dict[Lane, int]
    epoch: tuple[int, bytes] | None
    facts: dict[str, int]


class Buffer:
    """One connection to one file. outbox: its batches; space: what it takes on disk; inspection: for people."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = Connection(path)
        self.outbox = Outbox(self._db)
        try:
            self.outbox.mend()
        except BufferError:
            self._db.close()  # nobody else can, and it holds the lock
            raise
        self.again = Again(self._db, self.outbox)
        self.space = Space(self._db)
        self.adoption = Adoption(self._db)
        self.inspection = Inspection(self._db, self.outbox)

    def close(self) -> None:
        self._db.close()

    def leave(self) -> None:
        """Closes for the time that the agent does not run."""
        self._db.leave()

    def reopen(self) -> Self:
        """A new connection to the same file, in place of this one."""
        self.close()
        return type(self)(self.path)

    def found(self, identity: StreamIdentity, beginning: bytes, facts: Mapping[str, int]) -> None:
        """Says once for ever which stream this file is, and what its first transaction has to say.

        facts: counters that go on; of transactions the file has its own, and it is no mirror
        """
        kept = [(name, value) for name, value in facts.items() if name not in (TRANSACTION, MIRROR)]
        with self._db.transaction() as db:
            db.execute("INSERT INTO stream VALUES (1, ?, ?, ?, ?, ?)", identity)
            db.execute("INSERT INTO state VALUES (?, ?, ?)", (NOBODY, _BEGINNING, beginning))
            db.executemany("INSERT INTO fact VALUES (?, ?)", kept)

    def beginning(self) -> bytes | None:
        """What was said when the stream was founded; None where an earlier release did that."""
        return self.state(NOBODY).get(_BEGINNING)

    def view(self) -> View:
        db = self._db
        stream = db.all("SELECT stream, previous, store, box, secret FROM stream")
        lanes = db.all(f"SELECT lane, next, cut FROM lane WHERE sum = {LANE_SUM}")  # noqa: S608 (our own text)
        if {lane for lane, _, _ in lanes} != set(Lane):
            raise BufferDamaged(f"{self.path}: the next numbers of its lanes are not what was written")
        epochs = db.all("SELECT ordinal, epoch FROM epoch ORDER BY ordinal DESC LIMIT 1")
        if max(map(self._newest, HEADER_TABLES)) > self._newest("epoch"):
            raise BufferDamaged(f"{self.path}: it has the headers of newer epochs than it knows of")
        facts = dict(db.all("SELECT name, value FROM fact"))
        return View(
            StreamIdentity(*stream[0]) if stream else None,
            facts[TRANSACTION],
            {Lane(lane): following for lane, following, _ in lanes},
            {Lane(lane): cut for lane, _, cut in lanes},
            epochs[0] if epochs else None,
            facts,
        )

    def _newest(self, table: str) -> int:
        """The highest ordinal. Raises BufferDamaged."""
        newest = self._db.one(f"SELECT coalesce(max(ordinal), {_NO_EPOCH}) FROM {table}", ())  # noqa: S608 (our own names)
        if not isinstance(newest, int):
            raise BufferDamaged(f"{self.path}: {table} is another table's page")
        return newest

    def apply(self, change: Transaction) -> None:
        """Commits the transaction; returns once the disk has it."""
        with self._db.transaction() as db:
            write(db, change)

    def forget(self, before_epoch: int, before_day: int) -> None:
        """Drops headers of receipted older epochs that nothing needs any more, and identities of old days."""
        idle = (
            "SELECT ordinal FROM epoch WHERE ordinal < ? AND receipted AND ordinal NOT IN (SELECT epoch FROM outbox) "
            "AND ordinal NOT IN (SELECT epoch FROM journal)"
        )
        ordinals = self._db.all(idle, (before_epoch,))
        with self._db.transaction() as db:
            for table in ("epoch", *HEADER_TABLES):
                db.executemany(f"DELETE FROM {table} WHERE ordinal = ?", ordinals)  # noqa: S608 (our own names)
            db.execute("DELETE FROM seen WHERE day < ?", (before_day,))

    def rows(self, lane: Lane, first: int, last: int, limit: int, size: int) -> list[JournalRow]:
        """The rows of a lane with these numbers, all of one epoch: at most `limit`, and hardly more than `size` bytes.

        last: the newest number that was given; rot may have given a row a higher one
        """
        query = (
            "SELECT id, epoch, type, dictionary, sealed, crc FROM journal WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"
        )
        found: list[JournalRow] = []
        for id_, *rest in self._db.each(query, (row_id(lane, first), row_id(lane, last), limit)):
            row = JournalRow(*lane_seq(id_), *rest)
            if not isinstance(row.sealed, bytes):
                raise BufferDamaged(f"{self.path}: row {id_} holds no sealed record")
            if size <= 0 or (found and row.epoch != found[0].epoch):
                break
            found.append(row)
            size -= len(row.sealed)
        return found

    def epoch(self, ordinal: int) -> bytes:
        """The id of an epoch by its ordinal in this file."""
        return self.outbox.identity(ordinal).epoch

    def seen(self, identities: Iterable[tuple[str, bytes]]) -> frozenset[tuple[str, bytes]]:
        """Which of these (device, keyed hash) were accepted before."""
        look = "SELECT device, identity FROM seen WHERE device = ? AND identity = ?"
        return frozenset((row[0], row[1]) for key in identities for row in self._db.all(look, key))

    def rows_of(self, query: str, values: Iterable[object]) -> list[Any]:
        """The rows of a query, for those who copy the file."""
        return self._db.all(query, values)

    def state(self, device: str) -> dict[str, bytes]:
        """What a driver's readings last committed."""
        return dict(self._db.all("SELECT key, value FROM state WHERE device = ?", (device,)))


def write(db: sqlite3.Connection, change: Transaction) -> None:
    """What one transaction changes."""
    if change.epoch is not None:
        _write_epoch(db, change.epoch)
    db.executemany(
        "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", [((row[0] << 56) | row[1], *row[2:]) for row in change.rows]
    )
    db.executemany("UPDATE lane SET next = ?2, sum = sum + 3 * (?2 - next) WHERE lane = ?1", change.next.items())
    _write_state(db, change)
    for batch in change.batches:
        Outbox.add(db, batch)
    for prefix, at_us in change.settled:
        Outbox.settle(db, prefix, at_us)
    Outbox.want_again(db, change.again)
    for digest in change.evicted:
        Outbox.evict(db, digest)
    for lane, first, last in change.dropped:
        Outbox.cut_off(db, lane, first, last)
    facts = {**change.facts, TRANSACTION: change.number}
    db.executemany("INSERT INTO fact VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2", facts.items())


def _write_epoch(db: sqlite3.Connection, new: NewEpoch) -> None:
    db.execute("INSERT INTO epoch (ordinal, epoch, digest) VALUES (?, ?, ?)", (new.ordinal, new.epoch, new.digest))
    for table in HEADER_TABLES:
        db.execute(f"INSERT INTO {table} VALUES (?, ?)", (new.ordinal, new.header))  # noqa: S608 (our own names)


def _write_state(db: sqlite3.Connection, change: Transaction) -> None:
    for (device, key), value in change.state.items():
        if value is None:
            db.execute("DELETE FROM state WHERE device = ? AND key = ?", (device, key))
        else:
            db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (device, key, value))
    db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", change.seen)
