"""Making HQ's tables and bringing older ones up to date. Every step is repeatable; nothing is ever dropped.

The ledger is in numbered SQL files, `migrations/NNNN-what.sql`; `schema_version` says which were applied. A database
with a number that this release does not know is of a later one and is left alone. The tables of records follow the
structs, so that a field added to a struct becomes a column at the next `migrate`. They are partitioned by month with a
default partition, which takes what lies far away: no date can abort a COPY.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import NamedTuple

import psycopg
from psycopg import sql

from hq.data import Failure
from hq.warehouse.columns import COMMON, EXTRA, TABLES, Table

MONTHS_BACK = 1
MONTHS_AHEAD = 2
_LOCK = 7_301_991  # any number, the same for every migrate
Connection = psycopg.Connection[tuple[object, ...]]


class Migration(NamedTuple):
    """One numbered file. It is never changed once released; what it made is changed by a later one."""

    version: int
    name: str
    sql: bytes


class LaterDatabase(Failure):
    """A later release made this database; the text says what to do."""


def migrations() -> list[Migration]:
    """All that this release knows, numbered from 1 without a gap."""
    folder = (files(__package__) / "migrations").iterdir()
    found = [(file.name, file.read_bytes()) for file in folder if file.name.endswith(".sql")]
    return [Migration(int(name[:4]), name[5:-4], content) for name, content in sorted(found)]


def migrate(dsn: str) -> None:
    """Makes or completes every table in the database. Raises LaterDatabase, psycopg.Error."""
    with psycopg.connect(dsn) as connection:
        bring_to(connection, migrations())


def bring_to(connection: Connection, known: Sequence[Migration]) -> None:
    """Applies those of `known` that were not, all in the open transaction. Raises LaterDatabase, psycopg.Error."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    _migrate_ledger(connection, known)
    _migrate_records(connection)
    add_partitions(connection, datetime.now(UTC).date())


def add_partitions(connection: Connection, today: date) -> None:
    """Makes missing partitions for the months around `today`; rows that wait in a default partition move over."""
    present = _relations(connection)
    for first, after in months(today):
        for parent, key in [("source_claim", "business_day"), *((t.name, "effective") for t in TABLES.values())]:
            name = f"{parent}_{first:%Y_%m}"
            if name not in present:
                _add_partition(connection, parent, key, name, (first, after))


def keep_partitions(connection: Connection, today: date) -> None:
    """`add_partitions` for a connection in autocommit that many workers may have at the same time."""
    if {f"{table.name}_{first:%Y_%m}" for table in TABLES.values() for first, _ in months(today)} - _relations(
        connection
    ):
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            add_partitions(connection, today)


def months(today: date) -> Iterator[tuple[date, date]]:
    """First day of each month around `today`, and of the month after it."""
    for offset in range(-MONTHS_BACK, MONTHS_AHEAD + 1):
        number = today.year * 12 + today.month - 1 + offset
        yield _month(number), _month(number + 1)


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _migrate_ledger(connection: Connection, known: Sequence[Migration]) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, applied timestamptz DEFAULT now())"
    )
    applied = {int(str(version)) for (version,) in connection.execute("SELECT version FROM schema_version")}
    if later := applied - {one.version for one in known}:
        raise LaterDatabase(
            f"the database is at version {max(later)}, this release knows {len(known)}: a later release made it; "
            "install that release, or restore a backup made before it"
        )
    for one in known:
        if one.version not in applied:
            connection.execute(one.sql)
            connection.execute("INSERT INTO schema_version (version) VALUES (%s)", [one.version])


def _migrate_records(connection: Connection) -> None:
    present = _columns(connection)
    for table in TABLES.values():
        if table.name not in present:
            _create(connection, table)
            continue
        for column in table.columns:
            if column.name not in present[table.name]:
                statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} " + column.sql)
                connection.execute(statement.format(sql.Identifier(table.name), sql.Identifier(column.name)))


def _create(connection: Connection, table: Table) -> None:
    name = sql.Identifier(table.name)
    columns = [*COMMON.items(), *((column.name, column.sql) for column in table.columns), (EXTRA, "jsonb")]
    body = sql.SQL(", ").join(sql.SQL("{} " + kind).format(sql.Identifier(column)) for column, kind in columns)
    connection.execute(sql.SQL("CREATE TABLE {} ({}) PARTITION BY RANGE (effective)").format(name, body))
    connection.execute(sql.SQL("CREATE INDEX ON {} (store, effective)").format(name))
    default = sql.Identifier(f"{table.name}_default")
    connection.execute(sql.SQL("CREATE TABLE {} PARTITION OF {} DEFAULT").format(default, name))


def _add_partition(connection: Connection, parent: str, key: str, name: str, span: tuple[date, date]) -> None:
    """Rows of the month may wait in the default partition, where they forbid it: they move before it is attached."""
    parts = {
        "parent": sql.Identifier(parent),
        "default": sql.Identifier(f"{parent}_default"),
        "name": sql.Identifier(name),
        "key": sql.Identifier(key),
        "first": sql.Literal(_bound(key, span[0])),
        "after": sql.Literal(_bound(key, span[1])),
    }
    for statement in (
        "LOCK TABLE {parent} IN ACCESS EXCLUSIVE MODE",
        "CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        "WITH moved AS (DELETE FROM {default} WHERE {key} >= {first} AND {key} < {after} RETURNING *)"
        " INSERT INTO {name} SELECT * FROM moved",
        "ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({after})",
    ):
        connection.execute(sql.SQL(statement).format(**parts))


def _bound(key: str, day: date) -> str:
    return f"{day}" if key == "business_day" else f"{day} 00:00:00+00"


def _relations(connection: Connection) -> set[str]:
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return {str(name) for (name,) in rows}


def _columns(connection: Connection) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    rows = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    )
    for table, column in rows:
        found.setdefault(str(table), set()).add(str(column))
    return found
