"""The mirror: a second file on another medium, to which every committed transaction is applied after the first has it.

It is never the stream's own file: it says of itself that it is a mirror, and opened in place of the buffer it is
salvaged. Everything that is done to it can be done again with the same result, so that transactions which are on their
way while its content is compared with the buffer's may overlap with what was copied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.buffer.connection import BufferError
from edge_agent.buffer.outbox import HEADER_TABLES
from edge_agent.buffer.store import MIRROR, Buffer, StreamIdentity, write
from edge_agent.buffer.transaction import Transaction, row_id

PIECE = 500
PAYLOADS = 16
Key = tuple[object, ...]


class Forgotten(NamedTuple):
    """The buffer has dropped what is older than this."""

    before_epoch: int
    before_day: int


Change = Transaction | Forgotten


class Table(NamedTuple):
    """A table that is copied key by key. first: lower than every key"""

    name: str
    key: str
    first: Key
    piece: int = PIECE


BEFORE = (-(2**63),)
TABLES = (
    *(Table(name, "ordinal", BEFORE, 50) for name in ("epoch", *HEADER_TABLES)),
    Table("journal", "id", BEFORE),
    Table("state", "device, key", ("", "")),
    Table("seen", "device, identity", ("", b"")),
    Table("lane", "lane", BEFORE),
    Table("fact", "name", ("",)),
)


class Piece(NamedTuple):
    """Rows of a table that follow `after`; all that there are where last."""

    table: Table
    after: Key
    upto: Key
    rows: list[Any]
    last: bool


class OtherStream(Exception):
    """The mirror is of another file than the one that runs."""


class Source:
    """The buffer's side of a comparison: each question is put to it on its own."""

    @staticmethod
    def piece(table: Table, after: Key) -> Callable[[Buffer], Piece]:
        """The rows that follow a key."""

        def look(buffer: Buffer) -> Piece:
            marks = ", ".join("?" * len(after))
            query = (
                f"SELECT {table.key}, * FROM {table.name} WHERE ({table.key}) > ({marks}) "  # noqa: S608 (our own names)
                f"ORDER BY {table.key} LIMIT ?"
            )
            rows = buffer.rows_of(query, (*after, table.piece))
            upto = rows[-1][: len(after)] if rows else after
            return Piece(table, after, upto, [row[len(after) :] for row in rows], len(rows) < table.piece)

        return look

    @staticmethod
    def batches(after: int) -> Callable[[Buffer], list[Any]]:
        """Id, digest and receipt of the batches that follow an id."""
        query = "SELECT id, digest, settled_us FROM outbox WHERE id > ? ORDER BY id LIMIT ?"
        return lambda buffer: buffer.rows_of(query, (after, PIECE))

    @staticmethod
    def payloads(ids: Sequence[int]) -> Callable[[Buffer], list[Any]]:
        """Whole batches, as far as they are still there."""
        query = (
            "SELECT digest, lane, epoch, first, last, oldest_us, size, settled_us, payload FROM outbox "  # noqa: S608
            f"WHERE id IN ({', '.join(str(id_) for id_ in ids)})"
        )
        return lambda buffer: buffer.rows_of(query, ())

    @staticmethod
    def epochs(buffer: Buffer) -> dict[int, bytes]:
        """Every epoch by its ordinal."""
        return dict(buffer.rows_of("SELECT ordinal, epoch FROM epoch", ()))


class Mirror(Buffer):
    """The second file, open. founded: whether it was empty before."""

    def __init__(self, path: Path, identity: StreamIdentity) -> None:
        super().__init__(path)
        try:
            view = self.view()
            self.founded = view.identity is None
            if view.identity is None:
                self.found(identity, b"", {})
                self._db.all("INSERT INTO fact VALUES (?, 1)", (MIRROR,))
            elif view.identity.stream != identity.stream:
                raise OtherStream(view.identity.stream.hex())
        except (BufferError, OtherStream):
            self.close()
            raise

    @property
    def transaction(self) -> int:
        """The last one that it has."""
        return self.view().transaction

    def same_as(self, epochs: dict[int, bytes]) -> bool:
        """Whether it and the buffer, with these epochs, have gone the same way until now."""
        mine = Source.epochs(self)
        return all(epochs[ordinal] == mine[ordinal] for ordinal in mine.keys() & epochs.keys())

    def follow(self, changes: Iterable[Change]) -> None:
        """Applies what the buffer has committed, in one commit; what is here already stays as it is."""
        forgotten = [change for change in changes if isinstance(change, Forgotten)]
        with self._db.transaction() as db:
            for change in changes:
                if isinstance(change, Transaction):
                    write(db, _missing(db, change))
        for old in forgotten:
            self.forget(*old)

    def put(self, piece: Piece) -> None:
        """Makes a part of a table what it is in the buffer."""
        name, key = piece.table.name, piece.table.key
        marks = ", ".join("?" * len(piece.after))
        with self._db.transaction() as db:
            if piece.last:
                db.execute(f"DELETE FROM {name} WHERE ({key}) > ({marks})", piece.after)  # noqa: S608 (our own names)
            else:
                within = f"({key}) > ({marks}) AND ({key}) <= ({marks})"
                db.execute(f"DELETE FROM {name} WHERE {within}", (*piece.after, *piece.upto))  # noqa: S608
            if piece.rows:
                values = ", ".join("?" * len(piece.rows[0]))
                db.executemany(f"INSERT OR REPLACE INTO {name} VALUES ({values})", piece.rows)  # noqa: S608
            if name == "fact":
                db.execute("INSERT OR REPLACE INTO fact VALUES (?, 1)", (MIRROR,))

    def digests(self) -> set[bytes]:
        """The batches that it has."""
        return {digest for (digest,) in self._db.all("SELECT digest FROM outbox")}

    def settle(self, batches: Sequence[Any]) -> None:
        """Takes over which of these the buffer has a receipt for."""
        with self._db.transaction() as db:
            db.executemany(
                "UPDATE outbox SET settled_us = ?3 WHERE digest = ?2 AND settled_us IS NOT ?3 AND ?1", batches
            )

    def take(self, batches: Sequence[Any]) -> None:
        """Whole batches of the buffer."""
        with self._db.transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO outbox (digest, lane, epoch, first, last, oldest_us, size, settled_us, payload) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                batches,
            )

    def drop(self, digests: Iterable[bytes]) -> None:
        """Batches that the buffer does not have any more."""
        with self._db.transaction() as db:
            db.executemany("DELETE FROM outbox WHERE digest = ?", [(digest,) for digest in digests])


def _missing(db: sqlite3.Connection, change: Transaction) -> Transaction:
    """Without the rows, batches and the epoch that were copied already."""

    def has(query: str, value: object) -> bool:
        return db.execute(query, (value,)).fetchone() is not None

    epoch, batches, dropped = change.epoch, [], list(change.dropped)
    if epoch is not None and has("SELECT 1 FROM epoch WHERE ordinal = ?", epoch.ordinal):
        epoch = None
    for batch in change.batches:
        if has("SELECT 1 FROM outbox WHERE digest = ?", batch.digest):
            dropped.append((batch.lane, batch.first, batch.last))
        else:
            batches.append(batch)
    look = "SELECT 1 FROM journal WHERE id = ?"
    rows = [row for row in change.rows if not has(look, row_id(row.lane, row.seq))]
    return change._replace(epoch=epoch, rows=rows, batches=batches, dropped=dropped)
