"""The buffer file itself; the package's docstring is its design."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire.topics import Up
from edge_agent.buffer.schema import prepare
from edge_agent.buffer.transaction import Batch, JournalRow, Transaction, lane_seq, row_id
from records import Lane

HEADER_TABLES = ("header_a", "header_b", "header_c")


class BufferError(Exception):
    """SQLite failed. What became of the transaction is unknown until the file is reopened and read."""


class BufferDamaged(BufferError):
    """The file is not a database, or is malformed."""


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


class Waiting(NamedTuple):
    """What of a lane has no receipt. oldest_us: of what is cut; None when nothing is."""

    rows: int
    bytes: int
    oldest_us: int | None


class Buffer:
    """One connection to one file. Every failure of SQLite is a `BufferError`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        made = not path.exists()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            prepare(self._db)
        except sqlite3.Error as fault:
            raise _wrapped(fault, path) from fault
        if made:
            path.chmod(0o600)
            _sync_folder(path.parent)

    def close(self) -> None:
        self._db.close()

    def reopen(self) -> Self:
        """A new connection to the same file, in place of this one."""
        self.close()
        return type(self)(self._path)

    def on_disk(self) -> int:
        """What the file takes on disk, the write-ahead log included."""
        return sum(file.stat().st_size for file in self._path.parent.glob(f"{self._path.name}*"))

    def found(self, identity: StreamIdentity) -> None:
        """Says once for ever which stream this file is."""
        self._run("INSERT INTO stream VALUES (1, ?, ?, ?, ?, ?)", identity)

    def view(self) -> View:
        stream = self._all("SELECT stream, previous, store, box, secret FROM stream")
        lanes = self._all("SELECT lane, next, cut FROM lane")
        epochs = self._all("SELECT ordinal, epoch FROM epoch ORDER BY ordinal DESC LIMIT 1")
        facts = dict(self._all("SELECT name, value FROM fact"))
        return View(
            StreamIdentity(*stream[0]) if stream else None,
            facts["transaction"],
            {Lane(lane): following for lane, following, _ in lanes},
            {Lane(lane): cut for lane, _, cut in lanes},
            epochs[0] if epochs else None,
            facts,
        )

    def apply(self, change: Transaction) -> None:
        """Commits the transaction; returns once the disk has it."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._write(change)
            self._db.execute("COMMIT")
        except sqlite3.Error as fault:
            raise _wrapped(fault, self._path) from fault

    def _write(self, change: Transaction) -> None:
        db = self._db
        if change.epoch is not None:
            ordinal, epoch, header, digest = change.epoch
            db.execute("INSERT INTO epoch (ordinal, epoch, digest) VALUES (?, ?, ?)", (ordinal, epoch, digest))
            for table in HEADER_TABLES:
                db.execute(f"INSERT INTO {table} VALUES (?, ?)", (ordinal, header))  # noqa: S608 (our own names)
        db.executemany(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?)",
            [((lane << 56) | seq, epoch, kind, words, sealed) for lane, seq, epoch, kind, words, sealed in change.rows],
        )
        db.executemany("UPDATE lane SET next = ?2 WHERE lane = ?1", change.next.items())
        self._write_state(change)
        for batch in change.batches:
            self._write_batch(batch)
        for prefix in change.left:
            self._leave(prefix)
        facts = {**change.facts, "transaction": change.number}
        db.executemany("INSERT INTO fact VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2", facts.items())

    def _write_state(self, change: Transaction) -> None:
        for (device, key), value in change.state.items():
            if value is None:
                self._db.execute("DELETE FROM state WHERE device = ? AND key = ?", (device, key))
            else:
                self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (device, key, value))
        self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", change.seen)

    def _write_batch(self, batch: Batch) -> None:
        self._db.execute(
            "INSERT INTO outbox (digest, lane, epoch, first, last, oldest_us, size, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*batch[:6], len(batch.payload), batch.payload),
        )
        self._db.execute(
            "DELETE FROM journal WHERE id BETWEEN ? AND ?",
            (row_id(batch.lane, batch.first), row_id(batch.lane, batch.last)),
        )
        self._db.execute("UPDATE lane SET cut = ? WHERE lane = ?", (batch.last + 1, batch.lane))

    def _leave(self, prefix: bytes) -> None:
        """A receipt came: the batch leaves, or the header need not be sent again."""
        span = (prefix, prefix + b"\xff" * 16)
        self._db.execute("DELETE FROM outbox WHERE digest BETWEEN ? AND ?", span)
        self._db.execute("UPDATE epoch SET receipted = 1 WHERE digest BETWEEN ? AND ?", span)

    def forget(self, before_epoch: int, before_day: int) -> None:
        """Drops headers of receipted older epochs that nothing needs any more, and identities of old days."""
        idle = (
            "SELECT ordinal FROM epoch WHERE ordinal < ? AND receipted AND ordinal NOT IN (SELECT epoch FROM outbox) "
            "AND ordinal NOT IN (SELECT epoch FROM journal)"
        )
        ordinals = self._all(idle, (before_epoch,))
        self._run("BEGIN IMMEDIATE")
        for table in ("epoch", *HEADER_TABLES):
            for ordinal in ordinals:
                self._run(f"DELETE FROM {table} WHERE ordinal = ?", ordinal)  # noqa: S608 (our own names)
        self._run("DELETE FROM seen WHERE day < ?", (before_day,))
        self._run("COMMIT")

    def rows(self, lane: Lane, limit: int) -> list[JournalRow]:
        """The oldest rows of a lane that are not cut, all of one epoch."""
        found = self._all(
            "SELECT id, epoch, type, dictionary, sealed FROM journal WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
            (row_id(lane, 0), row_id(lane, 2**56 - 1), limit),
        )
        return [JournalRow(*lane_seq(id_), *rest) for id_, *rest in found if rest[0] == found[0][1]]

    def seen(self, identities: Iterable[tuple[str, bytes]]) -> frozenset[tuple[str, bytes]]:
        """Which of these (device, keyed hash) were accepted before."""
        look = "SELECT device, identity FROM seen WHERE device = ? AND identity = ?"
        return frozenset((row[0], row[1]) for key in identities for row in self._all(look, key))

    def state(self, device: str) -> dict[str, bytes]:
        """What a driver's readings last committed."""
        return dict(self._all("SELECT key, value FROM state WHERE device = ?", (device,)))

    def epoch(self, ordinal: int) -> bytes:
        """The id of an epoch by its ordinal in this file."""
        return bytes(self._all("SELECT epoch FROM epoch WHERE ordinal = ?", (ordinal,))[0][0])

    def header(self, ordinal: int) -> bytes:
        """An epoch's signed header, from whichever of its copies can be read."""
        for table in HEADER_TABLES:
            found = self._all(f"SELECT raw FROM {table} WHERE ordinal = ?", (ordinal,))  # noqa: S608 (our own names)
            if found:
                return bytes(found[0][0])
        raise BufferDamaged(f"{self._path}: no copy of the header of epoch {ordinal} is left")

    def parcels(self, skip: frozenset[bytes], limit: int) -> list[Parcel]:
        """What to send next: headers without a receipt, then batches, vital first, oldest first."""
        waiting = self._all("SELECT ordinal, digest FROM epoch WHERE NOT receipted ORDER BY ordinal")
        found = [Parcel(digest, Up.EPOCH, self.header(ordinal)) for ordinal, digest in waiting if digest not in skip]
        ids = self._all("SELECT id, digest FROM outbox ORDER BY lane, id LIMIT ?", (len(skip) + limit,))
        for id_, digest in ids:
            if len(found) >= limit:
                break
            if digest not in skip:
                payload = self._all("SELECT payload FROM outbox WHERE id = ?", (id_,))[0][0]
                found.append(Parcel(digest, Up.BATCH, payload))
        return found[:limit]

    def headers(self, epochs: Iterable[bytes]) -> list[Parcel]:
        """The headers of these epochs, as far as they are held."""
        look = "SELECT ordinal, digest FROM epoch WHERE epoch = ?"
        held = [row for epoch in epochs for row in self._all(look, (epoch,))]
        return [Parcel(digest, Up.EPOCH, self.header(ordinal)) for ordinal, digest in held]

    def batches(self, limit: int) -> int:
        """How many batches wait for their receipt; counts no further than `limit`."""
        return int(self._all("SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT ?)", (limit,))[0][0])

    def waiting(self, lane: Lane) -> Waiting:
        """What of a lane has no receipt yet."""
        span = (row_id(lane, 0), row_id(lane, 2**56 - 1))
        rows = self._all(
            "SELECT count(*), coalesce(sum(length(sealed)), 0) FROM journal WHERE id BETWEEN ? AND ?", span
        )
        cut = self._all(
            "SELECT coalesce(sum(last - first + 1), 0), coalesce(sum(size), 0), min(oldest_us) "
            "FROM outbox WHERE lane = ?",
            (lane,),
        )
        return Waiting(rows[0][0] + cut[0][0], rows[0][1] + cut[0][1], cut[0][2])

    def _all(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, tuple(values)).fetchall()
        except sqlite3.Error as fault:
            raise _wrapped(fault, self._path) from fault

    def _run(self, sql: str, values: Iterable[object] = ()) -> None:
        self._all(sql, values)


def _wrapped(fault: sqlite3.Error, path: Path) -> BufferError:
    damaged = getattr(fault, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return (BufferDamaged if damaged else BufferError)(f"{path}: {fault}")


def _sync_folder(folder: Path) -> None:
    """Makes a new file's name durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
