"""HQ's tables."""

from __future__ import annotations

from datetime import UTC, date, datetime

import psycopg

from hq.warehouse import migrate
from hq.warehouse.columns import TABLES
from hq.warehouse.schema import add_partitions, months
from records import RECORD_TYPES

ROW = {"store": "0214", "box": "box-1", "stream": b"s", "epoch": b"e", "lane": 1, "seq": 1, "device": "d", "mono_ms": 0}


def insert(connection: psycopg.Connection, seq: int, effective: datetime) -> None:
    row = ROW | {"seq": seq, "at": effective, "effective": effective, "clock": 1, "received_at": effective, "kg": 1}
    names = ", ".join(row)
    connection.execute(f"INSERT INTO weight ({names}) VALUES ({', '.join(['%s'] * len(row))})", list(row.values()))  # noqa: S608


def test_every_record_type_has_its_table(database: str) -> None:
    """Each type's table stands in the database with every column in the order that COPY uses."""
    migrate(database)

    with psycopg.connect(database) as connection:
        for kind in RECORD_TYPES:
            cursor = connection.execute(f'SELECT * FROM "{TABLES[kind].name}"')  # noqa: S608
            assert [column.name for column in cursor.description or ()] == TABLES[kind].names()


def test_names_that_clash_with_common_columns_are_prefixed() -> None:
    """Fields named as a common column, and fields printed under another name, have their own columns."""
    assert {"data_store", "data_box", "reason", "previous"} == {c.name for c in TABLES["stream.open"].columns}
    assert [(c.name, c.field) for c in TABLES["door.count"].columns][:3] == [
        ("in", "in_"),
        ("out", "out"),
        ("from", "from_"),
    ]


def test_migrate_twice_changes_nothing(database: str) -> None:
    """A second migrate keeps tables, rows and the version."""
    migrate(database)
    with psycopg.connect(database) as connection:
        insert(connection, 1, datetime.now(UTC))
    migrate(database)

    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM weight").fetchone() == (1,)
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(1,)]


def test_a_field_that_is_new_becomes_a_column(database: str) -> None:
    """A database of an earlier release gets the columns that it lacks."""
    migrate(database)
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE weight DROP COLUMN kg")
    migrate(database)

    with psycopg.connect(database) as connection:
        insert(connection, 1, datetime.now(UTC))
        assert connection.execute("SELECT kg FROM weight").fetchall() == [(1,)]


def test_rows_move_from_the_default_partition_when_their_month_is_made(database: str) -> None:
    """A month's rows that came before its partition are found in the partition once it exists."""
    migrate(database)
    far = date(2041, 5, 17)
    with psycopg.connect(database) as connection:
        insert(connection, 7, datetime(2041, 5, 31, 23, 59, tzinfo=UTC))
        insert(connection, 8, datetime(2043, 1, 1, tzinfo=UTC))
        assert connection.execute("SELECT seq FROM weight_default ORDER BY seq").fetchall() == [(7,), (8,)]
        add_partitions(connection, far)
        assert connection.execute("SELECT seq FROM weight_2041_05").fetchall() == [(7,)]
        assert connection.execute("SELECT seq FROM weight_default").fetchall() == [(8,)]


def test_months_run_over_the_turn_of_the_year() -> None:
    """The months around December reach into the next year."""
    assert list(months(date(2026, 12, 31)))[1:3] == [
        (date(2026, 12, 1), date(2027, 1, 1)),
        (date(2027, 1, 1), date(2027, 2, 1)),
    ]
