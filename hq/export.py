"""`edge-hq export`: stored records as JSON lines, as `records.to_json` prints them, with their identity beside.

Beside type, device, at and data stand store, box, stream, epoch, lane, seq, received_at, and where they say something
duplicate_of (the record that brought the same event first; it is not counted), corrected_at (when it happened, where
the box's clock was wrong and a later step told by how much) and extra.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from hq.data import Data, Failure
from hq.exits import Exit
from hq.reading import connect
from hq.warehouse.columns import TABLES, Table

Connection = psycopg.Connection[Any]
_IDENTITY = ("store", "box", "stream", "epoch", "lane", "seq", "received_at")
_FETCH = 2_000
_json = msgspec.json.Encoder()


def main(data: Path, store: str | None, types: Sequence[str]) -> int:
    """Prints them to standard output, type by type. Raises DataError, Failure."""
    unknown = sorted(set(types) - set(TABLES))
    if unknown:
        raise Failure(f"no record type {', '.join(unknown)}; there are {', '.join(TABLES)}")
    with connect(Data(data)) as connection:
        try:
            for line in lines(connection, store, types or list(TABLES)):
                sys.stdout.buffer.write(line + b"\n")
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has enough; what is left of our buffer must not fail again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.DONE


def lines(connection: Connection, store: str | None, types: Sequence[str]) -> Iterator[bytes]:
    """One JSON object a record, by type and time; constant memory."""
    for kind in types:
        table = TABLES[kind]
        query = sql.SQL(
            """SELECT *, CASE WHEN clock = 0 THEN corrected_at(epoch, mono_ms, clock, at) END AS corrected_at
               FROM {} WHERE %(store)s::text IS NULL OR store = %(store)s ORDER BY effective, seq"""
        )
        with connection.cursor("export", row_factory=dict_row) as cursor:
            cursor.itersize = _FETCH
            cursor.execute(query.format(sql.Identifier(table.name)), {"store": store})
            for row in cursor:
                yield _json.encode(printed(table, row))


def printed(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """A row as people see it."""
    names = {field.name: field.encode_name for field in msgspec.structs.fields(table.kind.struct)}
    data = {names[column.field]: row[column.name] for column in table.columns if row[column.name] is not None}
    told = {
        "type": table.kind.name,
        "device": row["device"],
        "at": row["at"].astimezone(UTC),
        "data": msgspec.convert(data, table.kind.struct),
        **{name: _plain(row[name]) for name in _IDENTITY},
    }
    corrected = row["corrected_at"]
    if corrected is not None:
        told["corrected_at"] = corrected.astimezone(UTC)
    return told | {name: row[name] for name in ("duplicate_of", "extra") if row[name] is not None}


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
