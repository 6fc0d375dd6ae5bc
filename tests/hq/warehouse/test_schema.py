"""HQ's tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256

import psycopg
import pytest

from hq.completeness import reports
from hq.warehouse import migrate
from hq.warehouse.columns import TABLES
from hq.warehouse.schema import LaterDatabase, add_partitions, bring_to, migrations, months
from records import RECORD_TYPES, Record
from records.types import Weight
from tests.cloud_sync.ingest.box import NOW, Box, weigh
from tests.hq.warehouse.houses import PostgresHouse, work

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
        assert connection.execute("SELECT version FROM schema_version ORDER BY 1").fetchall() == [
            (n.version,) for n in migrations()
        ]


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


def fill_version_1(connection: psycopg.Connection, box: Box, batch: bytes) -> None:
    """What the first release's ingest left of one box: ten weights of a batch, a tombstone for the next five."""
    who, now = box.header.identity, datetime.now(UTC)
    ids = (box.store, box.name, who.stream, who.epoch)
    connection.execute("INSERT INTO store (store) VALUES (%s)", [box.store])
    connection.execute("INSERT INTO box VALUES (%s, %s, %s, %s)", [*ids[:2], box.public_key, box.fingerprint])
    connection.execute(
        "INSERT INTO epoch VALUES (%s, %s, %s, %s, NULL, %s, %s, 1, 1, 1, %s, %s)",
        [who.epoch, who.stream, *ids[:2], bytes(16), now, box.header.raw, now],
    )
    connection.execute(
        "INSERT INTO batch VALUES (%s, %s, %s, %s, %s, 1, 1, 10, 1, 10, %s)", [sha256(batch).digest(), *ids, now]
    )
    connection.execute("INSERT INTO claim VALUES (%s, %s, %s, 1, '[1,11)')", [box.store, *ids[2:]])
    for seq in range(1, 11):
        insert(connection, seq, now)
    names = "store, box, stream, epoch, lane, seq, device, at, effective, mono_ms, clock, received_at"
    connection.execute(
        f"INSERT INTO loss ({names}, reason, count, data_stream, data_lane, first, last)"  # noqa: S608
        " VALUES (%s, %s, %s, %s, 0, 1, 'agent', now(), now(), 0, 1, now(), 'evicted', 5, %s, 1, 11, 15)",
        [*ids, who.stream.hex()],
    )
    connection.execute("INSERT INTO claim VALUES (%s, %s, %s, 0, '[1,2)')", [box.store, *ids[2:]])


def test_a_database_of_the_first_release_goes_on(database: str) -> None:
    """Migrated, it still tells what is stored and what is explained, knows its batches again, and takes new ones."""
    box = Box()
    old = box.batch(weigh(10))
    with psycopg.connect(database) as connection:
        bring_to(connection, migrations()[:1])
        fill_version_1(connection, box, old)
    migrate(database)

    house = PostgresHouse(database, [])
    assert house.port.commit(work(box, old)).repeated == 2
    box.seqs[1] = 16
    assert house.port.commit(work(box, box.batch([Record("scale-1", NOW, Weight(kg=Decimal(2)))]))).stored == 1
    with psycopg.connect(database) as connection:
        (found,) = reports(connection, None)
        assert [(lane.stored, lane.dropped, lane.missing) for lane in found.lanes[:2]] == [(1, 0, ()), (11, 5, ())]
        assert connection.execute("SELECT count(*) FROM weight").fetchone() == (11,)


def test_a_database_of_a_later_release_is_left_alone(database: str) -> None:
    """A version that this release does not know is refused in words, and nothing is changed."""
    migrate(database)
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (999)")
        connection.execute("DROP TABLE weight")
    with pytest.raises(LaterDatabase, match=r"at version 999.*a later release made it"):
        migrate(database)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('weight')").fetchone() == (None,)


def test_migrations_are_numbered_without_a_gap() -> None:
    """Every file has its number, so that two branches cannot both add the same one unnoticed."""
    assert [one.version for one in migrations()] == list(range(1, len(migrations()) + 1))


def test_months_run_over_the_turn_of_the_year() -> None:
    """The months around December reach into the next year."""
    assert list(months(date(2026, 12, 31)))[1:3] == [
        (date(2026, 12, 1), date(2027, 1, 1)),
        (date(2027, 1, 1), date(2027, 2, 1)),
    ]
