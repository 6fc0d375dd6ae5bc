"""Batches in the buffer: waiting for their receipt, or settled and kept as grace until space or age takes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable
from typing import Any, NamedTuple

from cloud_sync.uplink.messages import Fetch, Fetched, Parcel
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.epoch import EpochIdentity
from cloud_sync.wire.topics import Up
from edge_agent.buffer.connection import BufferDamaged, Connection
from edge_agent.buffer.transaction import Batch, row_id
from records import Lane

HEADERS = 16  # given out at once; with those of a month without network the window would hold nothing else
_LAST = 2**63 - 1
HEADER_TABLES = ("header_a", "header_b", "header_c")
_ENTRY = "digest, nullif(settled_us, 0) AS settled, lane, epoch, first, last, size"  # of a zero see `mend`


class Waiting(NamedTuple):
    """What of a lane has no receipt. oldest_us: of what is cut; None when nothing is."""

    rows: int
    bytes: int
    oldest_us: int | None


class Evictable(NamedTuple):
    """A batch that may go for space. settled: HQ has it, so that nothing is lost with it."""

    digest: bytes
    settled: bool
    lane: Lane
    stream: bytes
    epoch: bytes
    first: int
    last: int
    size: int
    types: dict[int, int]


class Outbox:
    """Reads through the buffer's connection; writes inside the buffer's transactions.

    A batch whose bytes are no longer those of its digest is not given out, and named by `rotten`.
    """

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._rotten: set[bytes] = set()

    # --- writing, inside a transaction -------------------------------------------------------------------------------

    @staticmethod
    def add(db: sqlite3.Connection, batch: Batch) -> None:
        """The batch takes the place of its rows."""
        Outbox.insert(db, batch)
        Outbox.cut_off(db, batch.lane, batch.first, batch.last)

    @staticmethod
    def insert(db: sqlite3.Connection, batch: Batch) -> None:
        db.execute(
            "INSERT INTO outbox (digest, lane, epoch, first, last, oldest_us, size, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*batch[:6], len(batch.payload), batch.payload),
        )

    @staticmethod
    def cut_off(db: sqlite3.Connection, lane: Lane, first: int, last: int) -> None:
        """Rows leave the front of their lane."""
        db.execute("DELETE FROM journal WHERE id BETWEEN ? AND ?", (row_id(lane, first), row_id(lane, last)))
        db.execute("UPDATE lane SET cut = ?2, sum = sum + ?2 - cut WHERE lane = ?1", (lane, last + 1))

    @staticmethod
    def settle(db: sqlite3.Connection, prefix: bytes, now_us: int) -> None:
        """A receipt came: the batch becomes grace, or the header need not be sent again."""
        span = (prefix, prefix + b"\xff" * 16)
        db.execute("UPDATE outbox SET settled_us = ? WHERE digest BETWEEN ? AND ?", (now_us, *span))
        db.execute("UPDATE epoch SET receipted = 1 WHERE digest BETWEEN ? AND ?", span)

    @staticmethod
    def want_again(db: sqlite3.Connection, digests: Iterable[bytes]) -> None:
        """HQ asks for batches that it had receipted: they wait for a receipt once more, and their headers too."""
        for digest in digests:
            db.execute("UPDATE outbox SET settled_us = NULL WHERE digest = ?", (digest,))
            db.execute(
                "UPDATE epoch SET receipted = 0 WHERE ordinal = (SELECT epoch FROM outbox WHERE digest = ?)", (digest,)
            )

    @staticmethod
    def evict(db: sqlite3.Connection, digest: bytes) -> None:
        db.execute("DELETE FROM outbox WHERE digest = ?", (digest,))

    # --- reading -----------------------------------------------------------------------------------------------------

    def fetch(self, wanted: Fetch) -> Fetched:
        """What the uplink asks for."""
        since = wanted.since
        found = self._headers(wanted.skip, HEADERS)
        if since is not None:
            found += self._batches("id DESC", (since + 1, _LAST), wanted, fresh=True)
        found += self._batches("id", (0, _LAST if since is None else since), wanted, fresh=False)
        return Fetched(tuple(found), self._db.one("SELECT coalesce(max(id), 0) FROM outbox", ()))

    def parcels(self, skip: frozenset[bytes], limit: int) -> list[Parcel]:
        """All that has no receipt: headers, then batches, vital first, oldest first."""
        headers = self._headers(skip, limit)
        wanted = Fetch(skip, 0, limit - len(headers), None, frozenset(Lane), wire_batch.MAX_SIZE)
        return headers + self._batches("id", (0, _LAST), wanted, fresh=False)

    def _headers(self, skip: frozenset[bytes], limit: int) -> list[Parcel]:
        query = "SELECT ordinal, digest FROM epoch WHERE NOT receipted ORDER BY ordinal LIMIT ?"
        rows = [row for row in self._db.all(query, (len(skip) + limit,)) if row[1] not in skip][:limit]
        return [Parcel(digest, Up.EPOCH, self.header(ordinal)) for ordinal, digest in rows]

    def _batches(self, order: str, ids: tuple[int, int], wanted: Fetch, *, fresh: bool) -> list[Parcel]:
        """Whole batches as they are wanted, the vital lane first; their numbers within `ids`."""
        skip, limit = wanted.skip, wanted.fresh if fresh else wanted.backlog
        lanes = ", ".join(str(int(lane)) for lane in sorted(wanted.lanes))
        query = (
            "SELECT id, digest, lane FROM outbox WHERE settled_us IS NULL AND id BETWEEN ? AND ? "  # noqa: S608
            f"AND lane IN ({lanes}) AND size <= ? ORDER BY lane, {order} LIMIT ?"
        )
        found: list[Parcel] = []
        for id_, digest, lane in self._db.all(query, (*ids, wanted.most, len(skip) + limit)) if limit > 0 else ():
            if len(found) >= limit:
                break
            if digest not in skip:
                payload = self._db.one("SELECT payload FROM outbox WHERE id = ?", (id_,))
                if _whole(payload, digest):
                    found.append(Parcel(digest, Up.BATCH, payload, Lane(lane), fresh))
                else:
                    self._rotten.add(digest)
        return found

    def headers(self, epochs: Iterable[bytes]) -> list[Parcel]:
        """The headers of these epochs, as far as they are held."""
        raws = [self.header(ordinal) for ordinal in self.identities(epochs)]
        return [Parcel(wire_batch.digest(raw), Up.EPOCH, raw) for raw in raws]

    def identities(self, epochs: Iterable[bytes]) -> dict[int, EpochIdentity]:
        """Those of these epochs that are held, by ordinal, as their headers say: a rotten column would hide them."""
        wanted = set(epochs)
        rows = self._db.all("SELECT ordinal, epoch FROM epoch NOT INDEXED ORDER BY ordinal")
        held = {ordinal: self.identity(ordinal) for ordinal, epoch in rows if epoch in wanted}
        if not {who.epoch for who in held.values()} >= wanted:
            held = {ordinal: self.identity(ordinal) for ordinal, _ in rows}
        return {ordinal: who for ordinal, who in held.items() if who.epoch in wanted}

    def identity(self, ordinal: int) -> EpochIdentity:
        """Whose epoch it is and which, as its header says. Raises BufferDamaged."""
        return wire_epoch.parse(self.header(ordinal)).identity

    def header(self, ordinal: int) -> bytes:
        """An epoch's signed header, from whichever of its copies can be read and is whole."""
        digest = self._db.one("SELECT digest FROM epoch WHERE ordinal = ?", (ordinal,))
        for table in HEADER_TABLES:
            try:
                raw = self._db.one(f"SELECT raw FROM {table} WHERE ordinal = ?", (ordinal,))  # noqa: S608 (our own names)
            except BufferDamaged:
                continue
            if _whole(raw, digest):
                return bytes(raw)
        raise BufferDamaged(f"{self._db.path}: no copy of the header of epoch {ordinal} is left")

    def unsettled(self, limit: int) -> int:
        """How many batches wait for their receipt; counts no further than `limit`."""
        return int(
            self._db.one("SELECT count(*) FROM (SELECT 1 FROM outbox WHERE settled_us IS NULL LIMIT ?)", (limit,))
        )

    def waiting(self, lane: Lane) -> Waiting:
        """What of a lane has no receipt yet."""
        span = (row_id(lane, 0), row_id(lane, 2**56 - 1))
        rows = self._db.all(
            "SELECT count(*), coalesce(sum(length(sealed)), 0) FROM journal WHERE id BETWEEN ? AND ?", span
        )
        cut = self._db.all(
            "SELECT coalesce(sum(last - first + 1), 0), coalesce(sum(size), 0), min(oldest_us) "
            "FROM outbox WHERE lane = ? AND settled_us IS NULL",
            (lane,),
        )
        return Waiting(rows[0][0] + cut[0][0], rows[0][1] + cut[0][1], cut[0][2])

    def evictable(self, room: int, sending: Container[bytes], settled_before_us: int) -> list[Evictable]:
        """What may go to win `room` bytes: grace oldest first, then bulk, then normal; vital never.

        Grace settled before `settled_before_us` goes in any case; what is being sent never does.
        """
        listed = self._db.all(
            f"SELECT {_ENTRY} FROM outbox WHERE settled IS NOT NULL OR lane > 0 "  # noqa: S608 (our own columns)
            "ORDER BY settled IS NULL, CASE WHEN settled IS NULL THEN -lane END, settled, id"
        )
        found: list[Evictable] = []
        for row in listed:
            digest, settled_us, size = row[0], row[1], row[-1]
            aged = settled_us is not None and settled_us < settled_before_us
            if digest in sending or (room <= 0 and not aged):
                continue
            entry = self._entry(row, {})
            found.append(self._as_packed(entry) if settled_us is None else entry)
            room -= size
        return found

    def mend(self) -> None:
        """Settled at no time is not settled: one flipped bit makes a zero of what SQLite has as NULL."""
        self._db.all("UPDATE outbox SET settled_us = NULL WHERE settled_us = 0")

    def rotten(self) -> list[Evictable]:
        """The batches that were found damaged since this was last asked; their types are no longer known."""
        digests, self._rotten = self._rotten, set()
        look = f"SELECT {_ENTRY} FROM outbox WHERE digest = ?"  # noqa: S608 (our own columns)
        return [self._entry(row, {}) for digest in digests for row in self._db.all(look, (digest,))]

    def _entry(self, row: Any, types: dict[int, int]) -> Evictable:
        digest, settled_us, lane, ordinal, first, last, size = row
        identity = self.identity(ordinal)
        settled = settled_us is not None
        return Evictable(digest, settled, Lane(lane), identity.stream, identity.epoch, first, last, size, types)

    def _as_packed(self, entry: Evictable) -> Evictable:
        """What a tombstone says of it stands in the batch itself, where rot is noticed; columns are the second best."""
        payload = self._db.one("SELECT payload FROM outbox WHERE digest = ?", (entry.digest,))
        if not _whole(payload, entry.digest):
            return entry
        header, _ = wire_batch.parse(payload)
        return entry._replace(lane=header.lane, first=header.first, last=header.last, types=header.types)


def _whole(content: object, digest: object) -> bool:
    """Whether what a column holds is what was written; rot of the table's own text may put anything there."""
    return isinstance(content, bytes) and wire_batch.digest(content) == digest
