"""Records as rows of their tables.

PostgreSQL's text and jsonb cannot hold NUL: it becomes U+FFFD, and `extra` names the columns under `nul_replaced`. What
a column cannot hold at all raises Misfit, and the record is set aside as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from cloud_sync.ingest.work import Batch, Opened
from hq.warehouse.columns import TABLES, Table

AHEAD = timedelta(days=1)
NUL_REPLACED = "nul_replaced"
_LIMIT = 2**63
_PLAIN = 1_000
_DIGITS_BEFORE, _DIGITS_AFTER = 131_000, 16_000  # of PostgreSQL's numeric, rounded down
_encode = msgspec.json.Encoder().encode


class Misfit(ValueError):
    """No column can hold this value."""


class Place(NamedTuple):
    """Whose records they are and when they came. opened: the store's first day; until: the latest effective time."""

    store: str
    box: str
    stream: bytes
    epoch: bytes
    lane: int
    opened: datetime
    until: datetime
    received: str

    @classmethod
    def of(cls, batch: Batch, opened: date, received: datetime) -> Place:
        first = datetime.combine(opened, time(), UTC)
        who = (batch.sender.store, batch.sender.box, batch.stream, batch.epoch, int(batch.lane))
        return cls(*who, first, max(received + AHEAD, first), received.isoformat())


def identity(stream: bytes, epoch: bytes, lane: int, seq: int) -> str:
    """A record's identity as text, as `duplicate_of` holds it."""
    return f"{stream.hex()}/{epoch.hex()}/{lane}/{seq}"


def row(place: Place, seq: int, opened: Opened, duplicate_of: str | None) -> tuple[object, ...]:
    """The values of `Table.names()`, ready for COPY. Raises Misfit."""
    record = opened.record
    plan = _PLANS[opened.kind.name]
    device, values, extra = record.device, plan.fields(record.data), opened.extra
    try:
        device, held = _text(device), [_held(*pair) for pair in zip(plan.holders, values, strict=True)]
    except _Nul:
        device, held, replaced = _without_nul(plan, device, values)
        extra = {**extra, NUL_REPLACED: replaced}
    at = record.at.isoformat()
    within = place.opened <= record.at <= place.until
    return (
        *place[:5],
        seq,
        device,
        at,
        at if within else max(min(record.at, place.until), place.opened).isoformat(),
        _bigint(record.mono_ms),
        int(record.clock),
        place.received,
        duplicate_of,
        *held,
        json_text(extra) if extra else None,
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
    """JSON that a jsonb column holds, NUL replaced. Raises Misfit."""
    try:
        return _jsonb(value)
    except _Nul:
        return _jsonb(clean(msgspec.json.decode(_encode(value))))


class _Nul(ValueError):
    """A text has a NUL somewhere."""


Holder = Callable[[Any], object]


class _Plan(NamedTuple):
    """How a type's data becomes its columns: names, attributes, and what holds each."""

    names: tuple[str, ...]
    fields: Callable[[object], Sequence[Any]]
    holders: tuple[Holder | None, ...]


def _held(holder: Holder | None, value: Any) -> object:
    return value if value is None or holder is None else holder(value)


def _without_nul(plan: _Plan, device: str, values: Sequence[Any]) -> tuple[str, list[object], list[str]]:
    """The same values without NUL, and the names of the columns that had one."""
    held: list[object] = []
    replaced = ["device"] if "\0" in device else []
    for name, holder, value in zip(plan.names, plan.holders, values, strict=True):
        try:
            held.append(_held(holder, value))
        except _Nul:
            replaced.append(name)
            held.append(clean(value) if isinstance(value, str) else json_text(value))
    return clean(device), held, replaced


def _text(value: str) -> str:
    if "\0" in value:
        raise _Nul
    return value


def _bigint(value: int) -> int:
    if not -_LIMIT <= value < _LIMIT:
        raise Misfit(f"{value} is beyond 63 bits")
    return value


def _numeric(value: Decimal) -> str:
    text = str(value)
    if "E" in text or "N" in text or len(text) > _PLAIN:
        _check_digits(value)
    return text


def _check_digits(value: Decimal) -> None:
    if value.is_snan():
        raise Misfit("a signalling NaN")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and (value.adjusted() > _DIGITS_BEFORE or exponent < -_DIGITS_AFTER):
        raise Misfit(f"a number with exponent {exponent}")


def _jsonb(value: object) -> str:
    try:
        packed = _encode(value)
        if b"\\u0000" in packed and clean(decoded := msgspec.json.decode(packed)) != decoded:
            raise _Nul
        return packed.decode()
    except _Nul:
        raise
    except (TypeError, ValueError, RecursionError) as fault:
        raise Misfit(f"not JSON: {fault}") from None


_HOLDERS: Mapping[str, Holder | None] = {
    "text": _text,
    "bigint": _bigint,
    "double precision": None,
    "boolean": None,
    "numeric": _numeric,
    "date": date.isoformat,
    "timestamptz": datetime.isoformat,
    "jsonb": _jsonb,
}


def _plan(table: Table) -> _Plan:
    names = tuple(column.name for column in table.columns)
    attributes = [column.field for column in table.columns]
    get = attrgetter(*attributes)
    fields = get if len(attributes) > 1 else lambda data: (get(data),)
    return _Plan(names, fields, tuple(_HOLDERS[column.sql] for column in table.columns))


_PLANS = {kind: _plan(table) for kind, table in TABLES.items()}
