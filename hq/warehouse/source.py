"""The source's own identity of an event: what makes two records the same sale.

Claimed is (store, business day, type, source id, content). A record whose claim stands already is a repeat, whichever
box, driver or drop folder brought it; the same id with another content is another event, since tills reuse numbers.
A receipt printed again reads otherwise ("copy", a later time) and is the same event: its number and total make it so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Any

import msgspec

from cloud_sync.ingest.work import Batch, Opened
from records import RECORD_TYPES
from records.types import CashEvent, PosControl, PosReceipt, Punch, SaleLine, Transaction

_EXACT = Context(prec=100_000, Emax=MAX_EMAX, Emin=MIN_EMIN)
_DAY = re.compile(r"/([0-9]{4}-[0-9]{2}-[0-9]{2})/")  # in workstation/business day/number
_LAST = frozenset("123456789")  # digits after which nothing is to be left out
_MAX_ID = 200  # PostgreSQL's index entries are limited to 2,704 bytes; four bytes a character


class SourceKey(msgspec.Struct, frozen=True, gc=False):
    """What is claimed in a store. content: SHA-256 of what makes it the same event."""

    business_day: date
    type: str
    source_id: str
    content: bytes

    @property
    def event(self) -> tuple[date, str, str]:
        """The key without its content."""
        return self.business_day, self.type, self.source_id


def source_of(opened: Opened) -> SourceKey | None:
    """The claim of a record, None for types that have no source id."""
    content = _CONTENT.get(opened.kind.name)
    if content is None:
        return None
    data: Any = opened.record.data
    packed = sha256(msgspec.json.encode(content(data))).digest()
    day = getattr(data, "business_day", None) or _day_in(data.source_id) or opened.record.at.date()
    return SourceKey(day, opened.kind.name, _bounded(data.source_id), packed)


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A record's claim of its event. event: store and key as bytes; row: event and record as a row of `COPY`."""

    store: str
    key: SourceKey
    event: bytes
    row: bytes


# COPY's binary format (https://www.postgresql.org/docs/current/sql-copy.html): rows of a count, then each value's size
# and bytes. It spares PostgreSQL the hex of three columns.
COPY = """COPY source_claim (business_day, store, type, source_id, content, stream, epoch, lane, seq)
    FROM STDIN (FORMAT binary)"""
COPY_HEAD, COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_DAY_FIELD, _SIZE, _NUMBER = Struct(">hii"), Struct(">i"), Struct(">ihiq")
_SIZES = [_SIZE.pack(size) for size in range(1_000)]  # of what is short, ready
_DAY_ZERO = date(2000, 1, 1).toordinal()


def claim_of(batch: Batch, seq: int, opened: Opened) -> Claim | None:
    """What a record of a batch claims, None for types that have no source id."""
    key, store = source_of(opened), batch.sender.store
    if key is None:
        return None
    event = event_bytes(store, key)
    return Claim(store, key, event, event + _epoch(batch.stream, batch.epoch) + _NUMBER.pack(2, batch.lane, 8, seq))


def event_bytes(store: str, key: SourceKey) -> bytes:
    """A key in a store, as a row's first values."""
    source_id, content = key.source_id.encode(), key.content
    sizes = _SIZES[len(source_id)], _SIZES[len(content)]
    return b"".join((_kind(store, key.business_day, key.type), sizes[0], source_id, sizes[1], content))


@lru_cache(10_000)
def _kind(store: str, day: date, kind: str) -> bytes:
    return _DAY_FIELD.pack(9, 4, day.toordinal() - _DAY_ZERO) + _sized(store.encode()) + _sized(kind.encode())


@lru_cache(10_000)
def _epoch(stream: bytes, epoch: bytes) -> bytes:
    return _sized(stream) + _sized(epoch)


def _sized(value: bytes) -> bytes:
    return _SIZE.pack(len(value)) + value


def _day_in(source_id: str) -> date | None:
    """The day that the source gave its number on: a repeat after midnight has another time and the same day."""
    found = _DAY.search(source_id)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _bounded(source_id: str) -> str:
    if len(source_id) <= _MAX_ID:
        return source_id.replace("\0", "\ufffd")
    return f"sha256:{sha256(source_id.encode()).hexdigest()}"


def _plain(number: Decimal | None) -> str:
    """The same text for 1, 1.0 and 1.00: how exactly a driver wrote a number does not make another event."""
    if number is None:
        return ""
    written = str(number)
    if written[-1] in _LAST and "E" not in written:
        return written
    return str(_EXACT.normalize(number)) if number.is_finite() else written


def _line(line: SaleLine) -> tuple[str, ...]:
    item = line.item_id or line.gtin or line.name or ""
    return line.kind, item, _plain(line.quantity), _plain(line.extended_amount)


def _receipt(data: PosReceipt) -> tuple[str, str]:
    """As the tap itself knows copies: by number, which is in the source id, and total; else by the whole text."""
    total = data.fields.get("total")
    if "transaction_id" in data.fields and isinstance(total, str):
        return "total", total
    return "text", data.text


_OF_STRUCT: dict[type, Callable[..., object]] = {
    Transaction: lambda data: (_plain(data.total), [_line(line) for line in data.lines]),
    PosControl: lambda data: data.kind,
    PosReceipt: _receipt,
    CashEvent: lambda data: (data.kind, _plain(data.amount)),
    Punch: lambda data: (data.person, data.direction),
}

_CONTENT = {
    kind.name: content
    for kind in RECORD_TYPES.values()
    for struct, content in _OF_STRUCT.items()
    if issubclass(kind.struct, struct)
}
