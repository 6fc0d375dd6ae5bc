"""What people ask of a buffer: how much of what it holds, and whether all of it is as it was written.

Everything goes through the buffer's one connection, a bounded piece at a time, so that a running recorder can answer
between two commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.reader import WireError
from cloud_sync.wire.topics import Up
from edge_agent.buffer.connection import BufferDamaged, BufferError, Connection
from edge_agent.buffer.outbox import HEADER_TABLES, Outbox
from edge_agent.buffer.transaction import JournalRow, lane_seq, row_id
from records import Lane

RATE_BATCHES = 256
_LEAST_US = 600_000_000  # what was cut within less says little of a rate
_INSTRUCTIONS = 10_000  # of SQLite's machine, between two looks at the time


class LaneHeld(NamedTuple):
    """One lane. accepted, cut: the highest numbers; rows: not cut yet; batches to oldest_us: cut, without a receipt."""

    accepted: int
    cut: int
    rows: int
    batches: int
    records: int
    bytes: int
    oldest_us: int | None


class EpochHeld(NamedTuple):
    """An epoch whose header is held. receipted: HQ has the header."""

    ordinal: int
    epoch: bytes
    receipted: bool


class Grace(NamedTuple):
    """Batches that HQ has, kept until space or age takes them. oldest_us: when the first of them was receipted."""

    batches: int
    bytes: int
    oldest_us: int | None


class Flaw(NamedTuple):
    """Something that is not as it was written. what: row, batch, header or table; which: for people."""

    what: str
    which: str


class Checked(NamedTuple):
    """A piece of a check. upto: where the next piece begins; None when this was the last."""

    looked: int
    flaws: list[Flaw]
    upto: int | None


class Inspection:
    """Reads through the buffer's connection, outside its transactions."""

    def __init__(self, connection: Connection, outbox: Outbox) -> None:
        self._db = connection
        self._outbox = outbox

    # --- how much ----------------------------------------------------------------------------------------------------

    def format(self) -> int:
        """The file's `user_version`."""
        return int(self._db.one("PRAGMA user_version"))

    def lane(self, lane: Lane) -> LaneHeld:
        following, cut = self._db.all("SELECT next, cut FROM lane WHERE lane = ?", (lane,))[0]
        span = (row_id(lane, 0), row_id(lane, 2**56 - 1))
        rows = self._db.one("SELECT count(*) FROM journal WHERE id BETWEEN ? AND ?", span)
        waiting = self._db.all(
            "SELECT count(*), coalesce(sum(last - first + 1), 0), coalesce(sum(size), 0), "
            "min(oldest_us) FILTER (WHERE typeof(oldest_us) = 'integer') "
            "FROM outbox WHERE settled_us IS NULL AND lane = ?",
            (lane,),
        )
        return LaneHeld(following - 1, cut - 1, rows, *waiting[0])

    def grace(self) -> Grace:
        look = "SELECT count(*), coalesce(sum(size), 0), min(settled_us) FROM outbox WHERE settled_us IS NOT NULL"
        return Grace(*self._db.all(look)[0])

    def epochs(self) -> list[EpochHeld]:
        """Every epoch that is held, the oldest first."""
        look = "SELECT ordinal, epoch, receipted FROM epoch ORDER BY ordinal"
        return [EpochHeld(ordinal, bytes(epoch), bool(receipted)) for ordinal, epoch, receipted in self._db.all(look)]

    def streams(self) -> dict[bytes, int]:
        """How many epochs are held of each stream, this file's and those of files before it."""
        found: dict[bytes, int] = {}
        for held in self.epochs():
            stream = wire_epoch.parse(self._outbox.header(held.ordinal)).identity.stream
            found[stream] = found.get(stream, 0) + 1
        return found

    def rate(self, now_us: int) -> float:
        """Bytes a second that were lately cut; 0 where nothing was."""
        look = (
            "SELECT coalesce(sum(size), 0), min(oldest_us) FROM "
            "(SELECT size, oldest_us FROM outbox ORDER BY id DESC LIMIT ?) "
            "WHERE typeof(size) = 'integer' AND typeof(oldest_us) = 'integer'"  # rot makes any value of a column
        )
        size, since_us = self._db.all(look, (RATE_BATCHES,))[0]
        return 0.0 if since_us is None else float(size) * 1e6 / max(now_us - since_us, _LEAST_US)

    # --- whether it is whole -----------------------------------------------------------------------------------------

    def check_rows(self, upto: int, limit: int) -> Checked:
        """Every row's checksum, that its epoch's header is held, and that no number is left out."""
        look = "SELECT id, epoch, type, dictionary, sealed, crc FROM journal WHERE id >= ? ORDER BY id LIMIT ?"
        return self._piece("journal", upto, limit, look, lambda rows: self._row_flaws(rows, upto, limit))

    def _row_flaws(self, rows: Sequence[Any], upto: int, limit: int) -> Iterator[Flaw]:
        known = {held.ordinal for held in self.epochs()}
        expected = {lane: max(cut, seq) for lane, cut, seq in self._fronts(upto)}
        for id_, *rest in rows:
            if not _is_id(id_):
                yield Flaw("row", f"{id_}: of no lane")
                continue
            row = JournalRow(*lane_seq(id_), *rest)
            yield from _missing(row.lane, expected[row.lane], row.seq)
            expected[row.lane] = row.seq + 1
            if not row.whole:
                yield Flaw("row", f"{_name(row.lane)} {row.seq}: its checksum is not that of its content")
            elif row.epoch not in known:
                yield Flaw("row", f"{_name(row.lane)} {row.seq}: the header of its epoch is not held")
        if len(rows) < limit:
            for lane, following in self._db.all("SELECT lane, next FROM lane"):
                yield from _missing(Lane(lane), expected[lane], following)

    def _fronts(self, upto: int) -> Iterator[tuple[Lane, int, int]]:
        """Of each lane the first number that is not cut, and the one after those that earlier pieces looked at."""
        place, seq = upto >> 56, upto & (2**56 - 1)
        for lane, following, cut in self._db.all("SELECT lane, next, cut FROM lane"):
            yield Lane(lane), cut, seq if lane == place else following if lane < place else 0

    def check_batches(self, upto: int, limit: int) -> Checked:
        """Every batch's digest, and that its header says what the table says."""
        look = "SELECT id, digest, lane, first, last, payload FROM outbox WHERE id >= ? ORDER BY id LIMIT ?"
        return self._piece("outbox", upto, limit, look, _batch_flaws)

    def check_headers(self, upto: int, limit: int) -> Checked:
        """Every copy of every epoch's header."""
        look = "SELECT ordinal, digest FROM epoch WHERE ordinal >= ? ORDER BY ordinal LIMIT ?"
        return self._piece("epoch", upto, limit, look, self._header_flaws)

    def _header_flaws(self, rows: Sequence[Any]) -> Iterator[Flaw]:
        for ordinal, digest in rows:
            for table in HEADER_TABLES:
                try:
                    raw = self._db.one(f"SELECT raw FROM {table} WHERE ordinal = ?", (ordinal,))  # noqa: S608
                except BufferDamaged as damage:
                    yield Flaw("header", f"copy {table[-1]} of epoch {ordinal}: {damage}")
                    continue
                if not _is_whole(raw, digest):
                    yield Flaw("header", f"copy {table[-1]} of epoch {ordinal}: {'missing' if raw is None else 'rot'}")

    def _piece(
        self, table: str, upto: int, limit: int, look: str, flaws: Callable[[Sequence[Any]], Iterable[Flaw]]
    ) -> Checked:
        """What SQLite cannot read is a flaw of the table, and ends its check."""
        try:
            rows = self._db.all(look, (upto, limit))
            following = int(rows[-1][0]) + 1 if len(rows) == limit else None
            return Checked(len(rows), list(flaws(rows)), following)
        except BufferError as damage:
            return Checked(0, [Flaw("table", f"{table}: {damage}")], None)

    def quick_check(self, give_up: Callable[[], bool]) -> list[Flaw] | None:
        """SQLite's own check of pages and trees; None where `give_up` said so before it was done."""
        with self._db.interrupted_by(give_up, _INSTRUCTIONS):
            try:
                said = [str(row[0]) for row in self._db.all("PRAGMA quick_check")]
            except BufferError as fault:
                return None if give_up() else [Flaw("file", str(fault))]
        return [] if said == ["ok"] else [Flaw("file", line) for line in said]

    # --- taking it out -----------------------------------------------------------------------------------------------

    def unsent(self, upto: int, limit: int) -> tuple[list[Parcel], int | None]:
        """Batches without a receipt, the oldest first, and where the next piece begins. Rot is left out."""
        look = "SELECT id, digest, payload FROM outbox WHERE id >= ? AND settled_us IS NULL ORDER BY id LIMIT ?"
        rows = self._db.all(look, (upto, limit))
        found = [Parcel(digest, Up.BATCH, raw) for _, digest, raw in rows if _is_whole(raw, digest)]
        return found, int(rows[-1][0]) + 1 if len(rows) == limit else None

    def journal(self, upto: int, limit: int) -> tuple[list[JournalRow], int | None]:
        """Rows that are not cut yet, by lane and number. Rot is left out."""
        look = "SELECT id, epoch, type, dictionary, sealed, crc FROM journal WHERE id >= ? ORDER BY id LIMIT ?"
        rows = self._db.all(look, (upto, limit))
        found = [JournalRow(*lane_seq(id_), *rest) for id_, *rest in rows if _is_id(id_)]
        return [row for row in found if row.whole], int(rows[-1][0]) + 1 if len(rows) == limit else None


def _is_id(id_: int) -> bool:
    """Whether a row's id is of some lane."""
    return id_ >> 56 in list(Lane)


def _is_whole(raw: object, digest: bytes) -> bool:
    return isinstance(raw, bytes) and wire_batch.digest(raw) == digest


def _name(lane: int) -> str:
    return Lane(lane).name.lower()


def _missing(lane: Lane, expected: int, found: int) -> Iterator[Flaw]:
    if expected < found:
        yield Flaw("row", f"{_name(lane)} {expected} to {found - 1}: missing")


def _batch_flaws(rows: Sequence[Any]) -> Iterator[Flaw]:
    for _, digest, lane, first, last, payload in rows:
        which = f"lane {lane}, {first} to {last}"
        try:
            header, _ = wire_batch.parse(payload)
        except (WireError, TypeError) as fault:
            yield Flaw("batch", f"{which}: {fault}")
            continue
        if not _is_whole(payload, digest):
            yield Flaw("batch", f"{which}: its digest is not that of its content")
        elif (header.lane, header.first, header.last) != (lane, first, last):
            yield Flaw("batch", f"{which}: it is {_name(header.lane)} {header.first} to {header.last}")
