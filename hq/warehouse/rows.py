"""Records as rows of their tables.

PostgreSQL's text and jsonb cannot hold NUL: it becomes U+FFFD, and `extra` names the columns under `nul_replaced`. What
a column cannot hold at all raises Misfit, and the record is set aside as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from cloud_sync.ingest.work import Opened
from hq.warehouse.columns import TABLES

AHEAD = timedelta(days=1)
NUL_REPLACED = "nul_replaced"
_LIMIT = 2**63
_DIGITS_BEFORE, _DIGITS_AFTER = 131_000, 16_000  # of PostgreSQL's numeric, rounded down
_encode = msgspec.json.Encoder().encode


class Misfit(ValueError):
    """No column can hold this value."""


class Place(NamedTuple):
    """Whose record it is and when it came. opened: the store's first day."""

    store: str
    box: str
    stream: bytes
    epoch: bytes
    lane: int
    opened: date
    received: datetime


def identity(stream: bytes, epoch: bytes, lane: int, seq: int) -> str:
    """A record's identity as text, as `duplicate_of` holds it."""
    return f"{stream.hex()}/{epoch.hex()}/{lane}/{seq}"


def effective(at: datetime, place: Place) -> datetime:
    """The record's time, between the store's first day and a day after it came."""
    return max(min(at, place.received + AHEAD), datetime.combine(place.opened, time(), UTC))


def row(place: Place, seq: int, opened: Opened, duplicate_of: str | None) -> tuple[object, ...]:
    """The values of `Table.names()`, ready for COPY. Raises Misfit."""
    record = opened.record
    replaced: list[str] = []
    values = [
        _hold(getattr(record.data, column.field), _HOLDERS[column.sql], column.name, replaced)
        for column in TABLES[opened.kind.name].columns
    ]
    device = _hold(record.device, _text, "device", replaced)
    extra = {**opened.extra, **({NUL_REPLACED: replaced} if replaced else {})}
    return (
        place.store,
        place.box,
        place.stream,
        place.epoch,
        place.lane,
        seq,
        device,
        record.at.isoformat(),
        effective(record.at, place).isoformat(),
        _bigint(record.mono_ms),
        int(record.clock),
        place.received.isoformat(),
        duplicate_of,
        *values,
        _json(extra)[0] if extra else None,
    )


def clean(value: Any) -> Any:
    """The same JSON value without NUL in any text."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, Mapping):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def json_text(value: object) -> str:
    """JSON that a jsonb column holds. Raises Misfit."""
    return _json(value)[0]


Holder = Callable[[Any], object]


class _Replaced(NamedTuple):
    value: object


def _hold(value: Any, holder: Holder, column: str, replaced: list[str]) -> object:
    if value is None:
        return None
    held = holder(value)
    if isinstance(held, _Replaced):
        replaced.append(column)
        return held.value
    return held


def _text(value: str) -> object:
    return _Replaced(clean(value)) if "\0" in value else value


def _bigint(value: int) -> int:
    if not -_LIMIT <= value < _LIMIT:
        raise Misfit(f"{value} is beyond 63 bits")
    return value


def _numeric(value: Decimal) -> str:
    if value.is_snan():
        raise Misfit("a signalling NaN")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and (value.adjusted() > _DIGITS_BEFORE or exponent < -_DIGITS_AFTER):
        raise Misfit(f"a number with exponent {exponent}")
    return str(value)


def _json(value: object) -> tuple[str, bool]:
    """The text, and whether a NUL was replaced."""
    try:
        packed = _encode(value)
        if b"\\u0000" not in packed:
            return packed.decode(), False
        cleaned = _encode(clean(msgspec.json.decode(packed)))
        return cleaned.decode(), cleaned != packed
    except (TypeError, ValueError, RecursionError) as fault:
        raise Misfit(f"not JSON: {fault}") from None


def _jsonb(value: object) -> object:
    text, replaced = _json(value)
    return _Replaced(text) if replaced else text


def _iso(value: date) -> str:
    return value.isoformat()


def _as_is(value: object) -> object:
    return value


_HOLDERS: Mapping[str, Holder] = {
    "text": _text,
    "bigint": _bigint,
    "double precision": _as_is,
    "boolean": _as_is,
    "numeric": _numeric,
    "date": _iso,
    "timestamptz": _iso,
    "jsonb": _jsonb,
}
