"""The source's own identity of an event: what makes two records the same sale.

Claimed is (store, business day, type, source id, content). A record whose claim stands already is a repeat, whichever
box, driver or drop folder brought it; the same id with another content is another event, since tills reuse numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from cloud_sync.ingest.work import Opened
from records.types import CashEvent, PosControl, PosReceipt, Punch, SaleLine, Transaction

_EXACT = Context(prec=100_000, Emax=MAX_EMAX, Emin=MIN_EMIN)
_MAX_ID = 200  # PostgreSQL's index entries are limited to 2,704 bytes; four bytes a character


class SourceKey(NamedTuple):
    """What is claimed in a store. content: SHA-256 of what makes it the same event."""

    business_day: date
    type: str
    source_id: str
    content: bytes

    @property
    def event(self) -> tuple[date, str, str]:
        """The key without its content."""
        return self[:3]


def source_of(opened: Opened) -> SourceKey | None:
    """The claim of a record, None for types that have no source id."""
    data: Any = opened.record.data
    content = next((content for struct, content in _CONTENT.items() if isinstance(data, struct)), None)
    if content is None:
        return None
    packed = sha256(msgspec.json.encode(content(data))).digest()
    day = getattr(data, "business_day", None) or opened.record.at.date()
    return SourceKey(day, opened.kind.name, _bounded(data.source_id), packed)


def _bounded(source_id: str) -> str:
    if len(source_id) <= _MAX_ID:
        return source_id.replace("\0", "\ufffd")
    return f"sha256:{sha256(source_id.encode()).hexdigest()}"


def _plain(number: Decimal | None) -> str:
    """The same text for 1, 1.0 and 1.00: how exactly a driver wrote a number does not make another event."""
    if number is None:
        return ""
    return str(_EXACT.normalize(number)) if number.is_finite() else str(number)


def _line(line: SaleLine) -> tuple[str, ...]:
    item = line.item_id or line.gtin or line.name or ""
    return line.kind, item, _plain(line.quantity), _plain(line.extended_amount)


_CONTENT: dict[type, Callable[..., object]] = {
    Transaction: lambda data: (_plain(data.total), [_line(line) for line in data.lines]),
    PosControl: lambda data: data.kind,
    PosReceipt: lambda data: data.text,
    CashEvent: lambda data: (data.kind, _plain(data.amount)),
    Punch: lambda data: (data.person, data.direction),
}
