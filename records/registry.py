"""What a record type is, and which there are: `records.types` enters them as it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from records.record import Lane


class RecordType(NamedTuple):
    """name: as printed; id: on the wire; struct: of the data; lane; version: of the schema."""

    name: str
    id: int
    struct: type[msgspec.Struct]
    lane: Lane
    version: int


RECORD_TYPES: dict[str, RecordType] = {}
_BY_STRUCT: dict[type, RecordType] = {}
_BY_ID: dict[int, RecordType] = {}

S = TypeVar("S", bound=type[msgspec.Struct])


def record_type(name: str, id_: int, lane: Lane, version: int = 1) -> Callable[[S], S]:
    """Enters a struct; a name or a wire number that is taken is a `ValueError`."""

    def register(struct: S) -> S:
        if name in RECORD_TYPES or id_ in _BY_ID:
            raise ValueError(f"record type {name} or wire number {id_} is taken")
        kind = RecordType(name, id_, struct, lane, version)
        RECORD_TYPES[name] = _BY_STRUCT[struct] = _BY_ID[id_] = kind
        return struct

    return register


def type_of(data: msgspec.Struct) -> RecordType:
    """The record type of a data struct; KeyError when it is not one of ours."""
    return _BY_STRUCT[type(data)]


def type_by_id(id_: int) -> RecordType | None:
    """The record type of a wire number, None when this release does not know it."""
    return _BY_ID.get(id_)


def lane_of(data: msgspec.Struct) -> Lane:
    return type_of(data).lane
