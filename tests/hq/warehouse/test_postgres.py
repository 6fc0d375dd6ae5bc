"""What only a real database shows: workers beside each other, lost connections, what the tables hold."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import psycopg
import pytest

from cloud_sync.ingest.work import Outcome, WarehouseAway, Work
from hq.warehouse.postgres import PostgresWarehouse
from records import Lane, Record, lane_of
from records.types import DoorCount, PosControl, PosReturn, PosSale, Scan, TempAmbient
from tests.cloud_sync.ingest.box import NOW, Box, batches_of, busy, sales
from tests.hq.warehouse.houses import PostgresHouse, work


def in_groups(works: list[Work], rng: Random) -> list[Work]:
    """The same parts in another order and in transactions of up to nine."""
    parts = [part for one in works for part in one.parts]
    rng.shuffle(parts)
    groups = []
    while parts:
        size = rng.randint(1, 9)
        groups.append(Work(NOW, tuple(parts[:size])))
        del parts[:size]
    return groups


def test_two_workers_store_every_record_once(migrated: str, box: Box) -> None:
    """Both take the same 200 batches and their re-packings, in different orders at the same time: each record once."""
    house = PostgresHouse(migrated, [box])
    vital = sales(8, 2_000)
    batches = [box.batch(vital[at : at + 10], at + 1) for at in range(0, 2_000, 10)]
    repacked = [box.batch(vital[at : at + 250], at + 1) for at in range(5, 1_700, 245)]
    works = [work(box, payload) for payload in [*batches, *repacked]]
    outcomes: list[list[Outcome]] = [[], []]

    def run(number: int) -> None:
        port = PostgresWarehouse(migrated)
        outcomes[number].extend(port.commit(group) for group in in_groups(works, Random(number)))
        port.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(house.records()) == 2_000
    stored = [sum(outcome.stored for outcome in worker) for worker in outcomes]
    assert sum(stored) == 2_000
    assert min(stored) > 100, "both had work to do"
    assert {seen for (seen,) in house.rows("SELECT seen FROM batch")} == {2}
    assert house.rows("SELECT sum(upper(seqs) - lower(seqs)) FROM claim") == [(2_000,)]
    assert house.rows("SELECT sum(stored) FROM batch") == [(2_000,)]


def test_sums_agree_to_the_cent_though_two_boxes_read_the_same_folder(migrated: str) -> None:
    """Sales that two boxes bring at the same time count once each: the sum is the source's own."""
    boxes = [Box(name="box-1"), Box(name="box-2")]
    house = PostgresHouse(migrated, boxes)
    tickets = [record for record in sales(9, 600) if isinstance(record.data, PosSale | PosReturn)]

    works = [[work(box, box.batch(tickets[at : at + 20])) for at in range(0, len(tickets), 20)] for box in boxes]

    def run(mine: list[Work]) -> None:
        port = PostgresWarehouse(migrated)
        for one in mine:
            port.commit(one)
        port.close()

    threads = [threading.Thread(target=run, args=[mine]) for mine in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    wanted = sum((ticket.data.total for ticket in tickets), Decimal(0))  # type: ignore[attr-defined]
    counted = house.rows(
        "SELECT sum(total), count(*) FROM (SELECT total, duplicate_of FROM pos_sale"
        " UNION ALL SELECT total, duplicate_of FROM pos_return) tickets WHERE duplicate_of IS NULL"
    )
    assert counted == [(wanted, len(tickets))]
    assert len(house.records()) == 2 * len(tickets)
    assert house.alerts() == []


def test_a_connection_lost_before_the_commit_stores_nothing_and_is_opened_again(migrated: str, box: Box) -> None:
    """A backend killed between two works fails the next one as away; the one after that is stored."""
    house = PostgresHouse(migrated, [box])
    house.port.look_up(set(), set())
    house.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )
    first = work(box, box.batch(sales(1, 10)))
    with pytest.raises(WarehouseAway):
        house.port.commit(first)

    assert house.records() == {}
    assert house.port.commit(first).stored == 10


def test_a_worker_killed_inside_its_transaction_leaves_nothing(migrated: str, box: Box) -> None:
    """While a worker waits inside its transaction its backend is killed: nothing of the work is stored."""
    house = PostgresHouse(migrated, [box])
    house.port.look_up(set(), set())
    one = work(box, box.batch(sales(1, 10)))
    failed: list[BaseException] = []

    def commit() -> None:
        try:
            house.port.commit(one)
        except WarehouseAway as fault:
            failed.append(fault)

    with psycopg.connect(migrated) as blocker:
        blocker.execute("LOCK TABLE pos_sale IN ACCESS EXCLUSIVE MODE")
        thread = threading.Thread(target=commit)
        thread.start()
        killed: list[tuple[object, ...]] = []
        while not killed and thread.is_alive():
            killed = house.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        thread.join()

    assert killed
    assert failed
    assert house.records() == {}
    assert house.rows("SELECT digest FROM batch") == []
    assert house.port.commit(one).stored == 10


def test_a_database_without_tables_counts_as_away(database: str, box: Box) -> None:
    """Ingest that comes before migrate waits instead of losing anything."""
    with pytest.raises(WarehouseAway, match="UndefinedTable"):
        PostgresWarehouse(database).commit(work(box, box.batch(sales(1, 1))))


def test_a_value_that_copy_refuses_costs_its_record_alone(migrated: str, box: Box) -> None:
    """Where a table refuses a value, as a column narrowed by hand does, that one record is set aside."""
    house = PostgresHouse(migrated, [box])
    connection = psycopg.connect(migrated, autocommit=True)
    connection.execute('ALTER TABLE door_count ALTER COLUMN "in" TYPE smallint')
    try:
        counts = [Record("door-1", NOW, DoorCount(in_=n, out=0)) for n in (1, 2, 70_000, 3, 4)]
        outcome = house.port.commit(work(box, box.batch(counts)))
    finally:
        connection.execute("DELETE FROM door_count")
        connection.execute('ALTER TABLE door_count ALTER COLUMN "in" TYPE bigint')
        connection.close()

    assert (outcome.stored, outcome.set_aside, outcome.unsettled) == (5, 1, frozenset())
    assert house.aside() == {f"{box.stream.hex()}/{box.epoch.epoch.hex()}/1/3"}


def test_columns_hold_what_the_record_says(migrated: str, box: Box) -> None:
    """Names as printed, exact decimals, JSON for lists, and a note where NUL was replaced."""
    house = PostgresHouse(migrated, [box])
    at = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC)
    scan = Scan(code="a\0b", elements={"01": "x"}, weight_kg=Decimal("1.250"), flags=("zero-price",))
    house.port.commit(
        work(box, box.batch([Record("scan-1", at, scan), Record("d", at, DoorCount(in_=3, out=1, from_=at))]))
    )

    assert house.rows("SELECT code, elements, weight_kg::text, flags, extra, at, price FROM scan") == [
        ("a\ufffdb", {"01": "x"}, "1.250", ["zero-price"], {"nul_replaced": ["code"]}, at, None)
    ]
    assert house.rows('SELECT "in", "out", "from", "to", resumed FROM door_count') == [(3, 1, at, None, False)]


CONTROLS = ["", "\x01", "\x02", "\x01\x02\x01\x01", "\t", "a\tb\r\nc", "\u2028\x7f"]
TEXTS = [*CONTROLS, "\\N", "\\.", '"', "'", "\u3000五常大米", "\U0001f6d2"]


def test_texts_come_out_as_they_went_in(migrated: str, box: Box) -> None:
    """Nothing that COPY has a meaning for changes a text or makes it null, in a column or in JSON."""
    house = PostgresHouse(migrated, [box])
    scans = [Record("s", NOW, Scan(code=text, symbology=text, elements={text: text})) for text in TEXTS]
    house.port.commit(work(box, box.batch([*scans, Record("s", NOW, Scan(code="last"))])))

    found = house.rows("SELECT code, symbology, elements FROM scan ORDER BY seq")
    assert found == [*((text, text, {text: text}) for text in TEXTS), ("last", None, {})]


def test_numbers_that_json_has_no_word_for_stand_as_they_are(migrated: str, box: Box) -> None:
    """An infinite or undefined measurement is no missing one, and the smallest float loses nothing."""
    house = PostgresHouse(migrated, [box])
    values = [float("inf"), float("-inf"), float("nan"), 5e-324, -0.1, None]
    house.port.commit(work(box, box.batch([Record("c", NOW, TempAmbient(celsius=value)) for value in values])))

    found = house.rows("SELECT celsius FROM temp_ambient ORDER BY seq")
    assert [repr(celsius) for (celsius,) in found] == [repr(value) for value in values]


def test_source_ids_are_found_again_whatever_they_are(migrated: str, box: Box) -> None:
    """An id that quotes, arrays or JSON could trip over names one event, in this transaction and in the next."""
    house = PostgresHouse(migrated, [box])
    controls = [Record("till-1", NOW, PosControl(source_id=text, kind="open")) for text in TEXTS]
    first = house.port.commit(work(box, box.batch([*controls, *controls])))
    again = house.port.commit(work(box, box.batch(controls)))

    assert (first.stored, first.duplicates) == (2 * len(TEXTS), len(TEXTS))
    assert (again.stored, again.duplicates) == (len(TEXTS), len(TEXTS))
    assert house.alerts() == []


def test_what_was_prepared_is_stored_and_forgotten(migrated: str, box: Box) -> None:
    """Batches made ready beforehand are stored like others; nothing of them is kept, whatever became of them."""
    house = PostgresHouse(migrated, [box])
    one, other = (work(box, box.batch(sales(seed, 10))) for seed in (1, 2))
    house.port.prepare([*one.batches(), *other.batches()])
    assert house.port.commit(one).stored == 10
    assert list(house.port.prepared) == [batch.digest for batch in other.batches()]

    house.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )
    with pytest.raises(WarehouseAway):
        house.port.commit(work(box, header=True))
    assert house.port.prepared == {}
    assert house.port.commit(other).stored == 10


def test_totals_of_a_busy_store_are_exact(migrated: str, box: Box) -> None:
    """The sum over the table is the sum over the records, to the last digit."""
    house = PostgresHouse(migrated, [box])
    records = [next(record for record in stream if lane_of(record.data) is Lane.VITAL) for stream in [busy(3)] * 300]
    house.port.commit(work(box, box.batch(records)))
    house.port.commit(work(box, *batches_of(box, 4, 5, 50)))
    wanted = sum((r.data.total for r in records if isinstance(r.data, PosSale)), Decimal(0))  # type: ignore[misc]

    assert house.rows("SELECT sum(total) FROM pos_sale WHERE seq <= 300") == [(wanted,)]
