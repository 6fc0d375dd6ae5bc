"""The columns of the record tables, read off the structs of `records.types`, so that there is one truth.

`pos.sale` is table `pos_sale`. After the common columns comes one column a field, named as printed (`in`, `from`: quote
them). A field that has the name of a common column, such as `store` of `stream.open`, is column `data_store`.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from records import RECORD_TYPES, RecordType

COMMON: Mapping[str, str] = {
    "store": "text NOT NULL",
    "box": "text NOT NULL",
    "stream": "bytea NOT NULL",
    "epoch": "bytea NOT NULL",
    "lane": "smallint NOT NULL",
    "seq": "bigint NOT NULL",
    "device": "text NOT NULL",
    "at": "timestamptz NOT NULL",
    "effective": "timestamptz NOT NULL",
    "mono_ms": "bigint NOT NULL",
    "clock": "smallint NOT NULL",
    "received_at": "timestamptz NOT NULL",
    "duplicate_of": "text",
}
EXTRA = "extra"
_SCALARS: Mapping[Any, str] = {
    str: "text",
    int: "bigint",
    float: "double precision",
    bool: "boolean",
    Decimal: "numeric",
    date: "date",
    datetime: "timestamptz",
}


class Column(NamedTuple):
    """name: in the table; field: attribute of the struct; sql: its type in PostgreSQL."""

    name: str
    field: str
    sql: str


class Table(NamedTuple):
    """The table of one record type; `columns` are those of the struct's fields."""

    kind: RecordType
    name: str
    columns: tuple[Column, ...]

    def names(self) -> list[str]:
        """Every column, in the order of the table."""
        return [*COMMON, *(column.name for column in self.columns), EXTRA]


def table_of(kind: RecordType) -> Table:
    """The table of a record type."""
    fields = msgspec.structs.fields(kind.struct)
    columns = (Column(_column(field.encode_name), field.name, _sql(field.type)) for field in fields)
    return Table(kind, kind.name.replace(".", "_"), tuple(columns))


def _column(name: str) -> str:
    return f"data_{name}" if name in COMMON or name == EXTRA else name


def _sql(hint: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        return "text"
    if get_origin(hint) in (tuple, dict, list):
        return "jsonb"
    return _SCALARS[hint]


TABLES: Mapping[str, Table] = {name: table_of(kind) for name, kind in RECORD_TYPES.items()}
