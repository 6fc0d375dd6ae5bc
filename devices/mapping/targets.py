"""Which fields of a record type a mapping can fill, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from records import RECORD_TYPES
from records.types import SaleLine, Tender, Transaction

Kind = Literal["text", "decimal", "integer", "number", "yes-no", "day", "time", "choice"]

_KINDS: Mapping[object, Kind] = {
    str: "text",
    Decimal: "decimal",
    int: "integer",
    float: "number",
    bool: "yes-no",
    date: "day",
    datetime: "time",
}
_OURS = {  # the agent's own words
    "alert",
    "audit",
    "camera.still",
    "clock.step",
    "count.audit",
    "device.health",
    "loss",
    "quarantine",
    "stream.open",
}
SOURCES = tuple(sorted(RECORD_TYPES.keys() - _OURS))
"""The record types that a source can speak of."""

_WORKED_OUT = {(SaleLine, "line"), (SaleLine, "kind"), (SaleLine, "flags")}


class Target(NamedTuple):
    """A field. name: in the struct; choices: of a choice; required: the record is none without it."""

    name: str
    kind: Kind
    choices: tuple[str, ...]
    required: bool


@cache
def targets(struct: type[msgspec.Struct]) -> Mapping[str, Target]:
    """The fields by the name under which they are printed; without lists and maps, which no single value fills."""
    hints = get_type_hints(struct)
    return {
        field.encode_name: target
        for field in msgspec.structs.fields(struct)
        if (target := _target(struct, field, hints[field.name]))
    }


def parts(struct: type[msgspec.Struct]) -> Mapping[str, type[msgspec.Struct]]:
    """The fields that are lists of structs of their own: lines and tenders."""
    known: tuple[tuple[str, type[msgspec.Struct]], ...] = (("lines", SaleLine), ("tenders", Tender))
    return {name: part for name, part in known if name in struct.__struct_fields__}


def _target(struct: type[msgspec.Struct], field: msgspec.structs.FieldInfo, hint: Any) -> Target | None:
    plain = [choice for choice in get_args(hint) or (hint,) if choice is not NoneType]
    ours = field.name == "source_id" and issubclass(struct, Transaction)
    required = field.required and not ours and (struct, field.name) not in _WORKED_OUT
    if get_origin(hint) is Literal:
        return Target(field.name, "choice", get_args(hint), required)
    if len(plain) == 1 and get_origin(plain[0]) is Literal:
        return Target(field.name, "choice", get_args(plain[0]), required)
    if (struct, field.name) == (SaleLine, "line") or len(plain) != 1 or plain[0] not in _KINDS:
        return None
    return Target(field.name, _KINDS[plain[0]], (), required)
