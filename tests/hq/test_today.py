"""The numbers of a store's day, and its last records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import psycopg
import pytest

from hq.today import Today, day_of, last_records, today
from records import RECORD_TYPES, Record, type_of
from records.types import DoorCount, PosReturn, PosSale, Quarantine, SaleLine, TempCheck
from simulation.traffic import records as traffic
from tests.hq.chain import Chain, record

SHANGHAI = ZoneInfo("Asia/Shanghai")
LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # 11:00 in Shanghai
DAY = date(2026, 11, 21)


@pytest.fixture
def chain(migrated: str) -> Iterator[Chain]:
    chain = Chain(migrated)
    chain.add_store("0001")
    yield chain
    chain.close()


def sale(number: int, total: str | None, day: date | None = DAY, currency: str | None = "CNY") -> PosSale:
    return PosSale(
        source_id=f"01/{day}/{number}",
        transaction_id=str(number),
        business_day=day,
        currency=currency,
        total=None if total is None else Decimal(total),
    )


def numbers(chain: Chain, store: str = "0001", zone: ZoneInfo = SHANGHAI) -> Today:
    with psycopg.connect(chain.dsn) as connection:
        return today(connection, [day_of(store, zone, NOW)])[store]


def test_nothing_known_is_not_zero(chain: Chain) -> None:
    """A store without records has no numbers, not zeros."""
    assert numbers(chain) == Today({}, None, 0, None, None)


def test_sales_are_exact_and_less_returns(chain: Chain) -> None:
    """Totals add up to the cent, returns are taken off, and only sales are tickets."""
    back = PosReturn(source_id="r", transaction_id="r", business_day=DAY, currency="CNY", total=Decimal("-0.30"))
    chain.store_records(
        "0001",
        NOW,
        *(record("till-1", NOW, sale(number, "0.1")) for number in range(30)),
        record("till-1", NOW, back),
        record("till-1", NOW, sale(99, None)),
    )

    found = numbers(chain)

    assert found.sales == {"CNY": Decimal("2.70")}
    assert (found.tickets, found.without_total) == (31, 1)


def test_currencies_stand_apart(chain: Chain) -> None:
    """Amounts of two currencies are never added."""
    chain.store_records(
        "0001", NOW, record("till-1", NOW, sale(1, "10")), record("till-1", NOW, sale(2, "4.5", currency="HKD"))
    )

    assert numbers(chain).sales == {"CNY": Decimal(10), "HKD": Decimal("4.5")}


def test_the_same_sale_brought_twice_counts_once(chain: Chain) -> None:
    """A repeat of a sale, from another batch, is stored and never counted."""
    for _ in range(2):
        chain.store_records("0001", NOW, record("till-1", NOW, sale(1, "10")))

    with psycopg.connect(chain.dsn) as connection:
        assert connection.execute("SELECT count(*) FROM pos_sale").fetchone() == (2,)
        shown = last_records(connection, ["0001"], NOW, 10)
    assert numbers(chain).sales == {"CNY": Decimal(10)}
    assert numbers(chain).tickets == 1
    assert len(shown) == 1


def test_a_sale_belongs_to_the_business_day_it_names(chain: Chain) -> None:
    """A sale after midnight of yesterday's business day is not today's; without a day its time decides."""
    chain.store_records(
        "0001",
        NOW,
        record("till-1", NOW, sale(1, "1", DAY - timedelta(days=1))),
        record("till-1", NOW, sale(2, "20", None)),
        record("till-1", NOW - timedelta(hours=12), sale(3, "300", None)),
    )

    assert numbers(chain).sales == {"CNY": Decimal(20)}


def test_each_store_has_its_own_day(chain: Chain) -> None:
    """The day begins at different times: who came at 17:30 UTC counts today in Shanghai, not in London."""
    chain.add_store("0002", "Europe/London")
    at = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)
    for store in ("0001", "0002"):
        chain.store_records(store, NOW, record("door-1", at, DoorCount(in_=4, out=1)))
        chain.store_records(store, NOW, record("door-2", NOW, DoorCount(in_=2, out=9)))

    assert numbers(chain).footfall == 6
    assert numbers(chain, "0002", LONDON).footfall == 2


def test_a_day_of_25_hours_is_one_day() -> None:
    """Where clocks go back the day lasts from midnight to midnight."""
    day = day_of("0002", LONDON, datetime(2026, 10, 25, 12, tzinfo=UTC))
    assert day.until - day.since == timedelta(hours=25)


def test_quarantined_readings_of_the_day_are_counted(chain: Chain) -> None:
    """Only today's readings that were set aside count."""
    odd = Quarantine(device="scan-1", reason="check digit is wrong")
    chain.store_records(
        "0001", NOW, *(record("scan-1", NOW - timedelta(hours=hours), odd) for hours in (0, 1, 10, 12, 30))
    )

    assert numbers(chain).quarantined == 3


def test_many_stores_are_read_at_once(chain: Chain) -> None:
    """Each store of a question gets its own numbers, and a question about none gets none."""
    chain.add_store("0002")
    chain.store_records("0002", NOW, record("till-1", NOW, sale(1, "7")))

    with psycopg.connect(chain.dsn) as connection:
        found = today(connection, [day_of(store, SHANGHAI, NOW) for store in ("0001", "0002")])
        assert (found["0001"].tickets, found["0002"].tickets) == (None, 1)
        assert today(connection, []) == {}


def test_last_records_come_newest_first_with_their_data(chain: Chain) -> None:
    """The newest records of all types are read back as they were sent, from the stores asked for alone."""
    chain.add_store("0002")
    line = SaleLine(line=1, kind="sale", name="五常大米 5kg", quantity=Decimal("1.5"), extended_amount=Decimal("9.90"))
    ticket = PosSale(source_id="1", transaction_id="1", business_day=DAY, lines=(line,), total=Decimal("9.90"))
    check = TempCheck(celsius=36.5, verdict="normal")
    door = DoorCount(in_=1, out=0, from_=NOW - timedelta(minutes=1), to=NOW)
    for minutes, device, data in ((3, "till-1", ticket), (1, "gate-1", check), (2, "door-1", door)):
        chain.store_records("0001", NOW, record(device, NOW - timedelta(minutes=minutes), data))
    chain.store_records("0002", NOW, record("door-9", NOW, door))
    chain.store_records("0001", NOW, record("old-1", NOW - timedelta(days=3), check))

    with psycopg.connect(chain.dsn) as connection:
        last = last_records(connection, ["0001"], NOW, 10)
        assert [one.device for one in last_records(connection, ["0001", "0002"], NOW, 2)] == ["door-9", "gate-1"]

    assert [(one.store, one.device, one.data) for one in last] == [
        ("0001", "gate-1", check),
        ("0001", "door-1", door),
        ("0001", "till-1", ticket),
    ]


def test_a_record_of_every_common_type_can_be_read_back(chain: Chain) -> None:
    """What a busy store sends comes back from the tables as it went in."""
    source = traffic(Random(1), NOW - timedelta(hours=2))
    sent: dict[type, Record] = {}
    for _ in range(400):
        one = next(source)
        sent[type(one.data)] = one
    chain.store_records("0001", NOW, *sent.values())

    with psycopg.connect(chain.dsn) as connection:
        last = last_records(connection, ["0001"], NOW, 100)

    assert len(sent) >= 10
    assert {one.kind: one.data for one in last} == {type_of(one.data).name: one.data for one in sent.values()}
    assert {one.kind for one in last} <= set(RECORD_TYPES)
