"""Records as lines of COPY into their tables.

Lines are CSV. A JSON array without its brackets is such a line, `null` for NULL, as long as nothing in it had to be
written with a backslash; so the JSON encoder writes nearly all of them in one go, and the others are written value by
value. What a jsonb column gets is a text in quotes. PostgreSQL's text and jsonb cannot hold NUL: it becomes U+FFFD, and
`extra` names the columns under `nul_replaced`. What a column cannot hold at all raises Misfit, and the record is set
aside as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import astuple

from cloud_sync.ingest.work import Batch, Opened
from hq.warehouse.columns import EXTRA, TABLES, Table
from hq.warehouse.source import Claim, claim_of

AHEAD = timedelta(days=1)
NUL_REPLACED = "nul_replaced"
FORMAT = "(FORMAT csv, NULL 'null')"
FIRST = ("store", "box", "stream", "epoch", "lane", "received_at", "duplicate_of", "seq", "effective")
THEN = ("device", "at", "mono_ms", "clock")
_LIMIT = 2**63
_PLAIN = 1_000
_DIGITS_BEFORE, _DIGITS_AFTER = 131_000, 16_000  # of PostgreSQL's numeric, rounded down
_encode = msgspec.json.Encoder().encode


class Misfit(ValueError):
    """No column can hold this value."""


class Place(NamedTuple):
    """Whose records they are and when they came.

    head: the values that begin every line; fresh: of a record that repeats none; opened: the store's first day;
    until: the latest effective time
    """

    head: bytes
    fresh: bytes
    opened: datetime
    until: datetime

    @classmethod
    def of(cls, batch: Batch, opened: date, received: datetime) -> Place:
        first = datetime.combine(opened, time(), UTC)
        ids = (*batch.sender[:2], f"\\x{batch.stream.hex()}", f"\\x{batch.epoch.hex()}")
        head = _written((*ids, int(batch.lane), received)) + b","
        return cls(head, head + b"null,", first, max(received + AHEAD, first))


def identity(stream: bytes, epoch: bytes, lane: int, seq: int) -> str:
    """A record's identity as text, as `duplicate_of` holds it."""
    return f"{stream.hex()}/{epoch.hex()}/{lane}/{seq}"


class Formed(msgspec.Struct, frozen=True, gc=False):
    """A record made ready for its table. text: the values from `seq` on, `at` for `effective`; claim: of its event."""

    seq: int
    opened: Opened
    text: bytes
    claim: Claim | None


def formed(batch: Batch, seq: int, opened: Opened) -> Formed:
    """Everything that takes time and needs no database. Raises Misfit."""
    record, kind = opened.record, opened.kind.name
    common = (seq, record.at, record.device, record.at, _bigint(record.mono_ms), record.clock)
    values = [*common, *astuple(record.data), _document(opened.extra) if opened.extra else None]
    for place, hold in _HOLD[kind]:
        if values[place] is not None:
            values[place] = hold(values[place])
    text = _encode(values)[1:-1]
    if b"\\" in text:
        text = _written(_without_nul(kind, values, opened.extra))
    return Formed(seq, opened, text, claim_of(batch, seq, opened))


def line(place: Place, record: Formed, duplicate_of: str | None) -> bytes:
    """The values of `columns` as a line of COPY."""
    text, at = record.text, record.opened.record.at
    if not place.opened <= at <= place.until:
        seq, _, rest = text.split(b",", 2)
        text = b"%b,%b,%b" % (seq, _encode(max(min(at, place.until), place.opened)), rest)
    head = place.fresh if duplicate_of is None else b"%b%b," % (place.head, _encode(duplicate_of))
    return head + text + b"\n"


def columns(table: Table) -> list[str]:
    """The order of a line's values."""
    return [*FIRST, *THEN, *(column.name for column in table.columns), EXTRA]


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
    return _clean_json(_json(value)).decode()


def _json(value: object) -> bytes:
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as fault:
        raise Misfit(f"not JSON: {fault}") from None


def _clean_json(packed: bytes) -> bytes:
    """The same bytes where there is no NUL in it."""
    if b"\\u0000" not in packed:
        return packed
    decoded = msgspec.json.decode(packed)
    return packed if clean(decoded) == decoded else _json(clean(decoded))


def _without_nul(kind: str, values: Sequence[Any], extra: Mapping[str, object]) -> list[Any]:
    """The same values where none has a NUL; else `extra`, the last of them, names the columns of those that had."""
    plain = [_replaced(value) for value in values]
    if names := [name for name, old, new in zip(_NAMES[kind], values, plain, strict=False) if new is not old]:
        plain[-1] = _replaced(_document({**extra, NUL_REPLACED: names}))
    return plain


def _replaced(value: Any) -> Any:
    """The value itself where it has no NUL."""
    if isinstance(value, str):
        return value if "\0" not in value else clean(value)
    if isinstance(value, msgspec.Raw):
        packed = bytes(value)[1:-1].replace(b'""', b'"')
        plain = _clean_json(packed)
        return value if plain is packed else _quoted(plain)
    return value


def _written(values: Sequence[Any]) -> bytes:
    """A line of CSV, value by value."""
    return b",".join(_encode(_quoted(value.encode()) if isinstance(value, str) else value) for value in values)


def _quoted(value: bytes) -> msgspec.Raw:
    """A text of CSV."""
    return msgspec.Raw(b'"%b"' % value.replace(b'"', b'""'))


def _document(value: object) -> msgspec.Raw:
    return _quoted(_json(value))


def _bigint(value: int) -> int:
    if not -_LIMIT <= value < _LIMIT:
        raise Misfit(f"{value} is beyond 63 bits")
    return value


def _double(value: float) -> float | str:
    return value if isfinite(value) else str(value)


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


_HOLDERS: Mapping[str, Callable[[Any], Any]] = {
    "bigint": _bigint,
    "double precision": _double,
    "numeric": _numeric,
    "jsonb": _document,
}
_DATA = len(FIRST) - FIRST.index("seq") + len(THEN)  # values of a record before its type's own
# What the encoder would write otherwise than the column reads it: places in its values, and what holds the value.
_HOLD = {
    kind: [(place, _HOLDERS[one.sql]) for place, one in enumerate(table.columns, _DATA) if one.sql in _HOLDERS]
    for kind, table in TABLES.items()
}
_NAMES = {kind: columns(table)[FIRST.index("seq") : -1] for kind, table in TABLES.items()}
