"""Records as lines of COPY into their tables.

Lines are CSV as PostgreSQL reads it with `FORMAT`: tabs between the values, and nothing but a text that is not plain
stands in quotes, which are U+0001, so that JSON goes as it is. PostgreSQL's text and jsonb cannot hold NUL: it becomes
U+FFFD, and `extra` names the columns under `nul_replaced`. What a column cannot hold at all raises Misfit, and the
record is set aside as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import astuple

from cloud_sync.ingest.work import Batch, Opened
from hq.warehouse.columns import EXTRA, TABLES, Table
from hq.warehouse.source import SourceKey, source_of

AHEAD = timedelta(days=1)
NUL_REPLACED = "nul_replaced"
FORMAT = r"(FORMAT csv, DELIMITER E'\t', QUOTE E'\x01', NULL E'\x02')"
NULL = "\x02"
FIRST = ("store", "box", "stream", "epoch", "lane", "seq", "received_at", "duplicate_of", "effective")
THEN = ("device", "at", "mono_ms", "clock")
_QUOTE = "\x01"
_LIMIT = 2**63
_PLAIN = 1_000
_DIGITS_BEFORE, _DIGITS_AFTER = 131_000, 16_000  # of PostgreSQL's numeric, rounded down
_encode = msgspec.json.Encoder().encode


class Misfit(ValueError):
    """No column can hold this value."""


class Place(NamedTuple):
    """Whose records they are and when they came.

    head: the values that begin every line; opened: the store's first day; until: the latest effective time
    """

    head: str
    opened: datetime
    until: datetime
    received: str

    @classmethod
    def of(cls, batch: Batch, opened: date, received: datetime) -> Place:
        first = datetime.combine(opened, time(), UTC)
        head = (*batch.sender[:2], hexed(batch.stream), hexed(batch.epoch), str(int(batch.lane)))
        return cls("\t".join(head), first, max(received + AHEAD, first), _iso(received))


def identity(stream: bytes, epoch: bytes, lane: int, seq: int) -> str:
    """A record's identity as text, as `duplicate_of` holds it."""
    return f"{stream.hex()}/{epoch.hex()}/{lane}/{seq}"


class Formed(NamedTuple):
    """A record made ready for its table. at: of the record; text: the values from `device` on; source: its event."""

    opened: Opened
    at: str
    text: str
    source: SourceKey | None


def formed(opened: Opened) -> Formed:
    """Everything that takes time and needs no database. Raises Misfit."""
    record = opened.record
    plan = _PLANS[opened.kind.name]
    values, extra = astuple(record.data), opened.extra
    try:
        device = text(record.device)
        held = [NULL if value is None else hold(value) for hold, value in zip(plan.holders, values, strict=True)]
    except _Nul:
        device, held, replaced = _without_nul(plan, record.device, values)
        extra = {**extra, NUL_REPLACED: replaced}
    at = _iso(record.at)
    common = (device, at, _bigint(record.mono_ms), str(int(record.clock)))
    last = json_text(extra) if extra else NULL
    return Formed(opened, at, "\t".join((*common, *held, last)), source_of(opened))


def line(place: Place, seq: int, record: Formed, duplicate_of: str | None) -> str:
    """The values of `columns` as a line of COPY."""
    at = record.opened.record.at
    effective = record.at if place.opened <= at <= place.until else _iso(max(min(at, place.until), place.opened))
    return f"{place.head}\t{seq}\t{place.received}\t{duplicate_of or NULL}\t{effective}\t{record.text}\n"


def columns(table: Table) -> list[str]:
    """The order of a line's values."""
    return [*FIRST, *THEN, *(column.name for column in table.columns), EXTRA]


def hexed(value: bytes) -> str:
    """As bytea reads it."""
    return f"\\x{value.hex()}"


def text(value: str) -> str:
    """A text as a value of a line."""
    return value if value.isprintable() else _quoted(value)


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


Holder = Callable[[Any], str]


class _Plan(NamedTuple):
    """How a type's data becomes its columns: their names, and what holds each."""

    names: tuple[str, ...]
    holders: tuple[Holder, ...]


def _without_nul(plan: _Plan, device: str, values: Sequence[Any]) -> tuple[str, list[str], list[str]]:
    """The same values without NUL, and the names of the columns that had one."""
    held: list[str] = []
    replaced = ["device"] if "\0" in device else []
    for name, holder, value in zip(plan.names, plan.holders, values, strict=True):
        try:
            held.append(NULL if value is None else holder(value))
        except _Nul:
            replaced.append(name)
            held.append(text(clean(value)) if isinstance(value, str) else json_text(value))
    return text(clean(device)), held, replaced


def _quoted(value: str) -> str:
    if "\0" in value:
        raise _Nul
    return f"{_QUOTE}{value.replace(_QUOTE, 2 * _QUOTE)}{_QUOTE}"


def _iso(value: date) -> str:
    """As `isoformat`, in a fifth of its time."""
    written: str = msgspec.to_builtins(value)
    return written


def _bigint(value: int) -> str:
    if not -_LIMIT <= value < _LIMIT:
        raise Misfit(f"{value} is beyond 63 bits")
    return str(value)


def _numeric(value: Decimal) -> str:
    written = str(value)
    if "E" in written or "N" in written or len(written) > _PLAIN:
        _check_digits(value)
    return written


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


_HOLDERS: Mapping[str, Holder] = {
    "text": text,
    "bigint": _bigint,
    "double precision": repr,
    "boolean": str,
    "numeric": _numeric,
    "date": _iso,
    "timestamptz": _iso,
    "jsonb": _jsonb,
}


_PLANS = {
    kind: _Plan(tuple(one.name for one in table.columns), tuple(_HOLDERS[one.sql] for one in table.columns))
    for kind, table in TABLES.items()
}
