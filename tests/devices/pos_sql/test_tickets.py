"""pos-sql: tickets are whole, told once, and none is missed."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from time import monotonic
from typing import Any, cast

import pytest

from devices.driver import Rejected
from records.types import PosReturn, PosSale
from tests.devices.pos_sql.till import ZONE, Till, reading

# --- what a ticket is ----------------------------------------------------------------------------------------------


def test_tickets_are_whole_trimmed_and_right_to_the_cent(till: Till) -> None:
    """Lines and payments by number; blanks that pad columns fall away; the sums are the till's."""
    owed = till.sell(300)
    with reading(till) as reader:
        reader.until(300)
    assert sum(sale.total or 0 for sale in reader.sales) == owed
    assert {type(sale) for sale in reader.sales} == {PosSale, PosReturn}
    for sale in reader.sales:
        assert sum(tender.amount or 0 for tender in sale.tenders) == sale.total
        assert sale.source_id == f"{sale.workstation}/{sale.business_day}/{sale.transaction_id}"
        assert sale.transaction_id == sale.transaction_id.strip()
        assert all(line.item_id == (line.item_id or "").strip() for line in sale.lines)
    assert len({sale.source_id for sale in reader.sales}) == 300


def test_two_tills_with_one_number_are_two_tickets(till: Till) -> None:
    """Numbers are a till's own; payments go by the till too."""
    for posid, money in (("1001", "10"), ("1002", "20")):
        till.line("7", posid=posid, sale_money=money)
        till.pay("7", money, posid=posid)
    with reading(till) as reader:
        reader.until(2)
    assert [(sale.source_id, sale.total, len(sale.tenders)) for sale in reader.sales] == [
        ("1001/2026-11-21/7", Decimal(10), 1),
        ("1002/2026-11-21/7", Decimal(20), 1),
    ]


def test_a_number_that_is_used_again_is_another_ticket(till: Till) -> None:
    """Where rows of one number lie further apart than the overlap."""
    for com_no, day in ((1, "2026-11-20"), (500, "2026-11-21")):
        till.line("7", com_no, oper_date=f"{day} 09:00:00")
    with reading(till, overlap_rows=100) as reader:
        reader.until(2)
    assert [(sale.source_id, len(sale.lines)) for sale in reader.sales] == [
        ("1001/2026-11-20/7", 1),
        ("1001/2026-11-21/7", 1),
    ]


# --- when it is whole ----------------------------------------------------------------------------------------------


def test_a_ticket_whose_payments_do_not_add_up_waits(till: Till) -> None:
    """Half a ticket is not taken; once its payments make its total it is, at once and whole."""
    till.line("1")
    with reading(till, settle_s=3600) as reader:
        assert reader.quiet() == []
        till.line("1")
        till.pay("1", "20")
        reader.until(1)
    assert [len(sale.lines) for sale in reader.sales] == [2]


def test_a_ticket_without_payments_is_taken_once_it_settled(till: Till) -> None:
    """And one that is still written begins to settle anew with each row."""
    till.line("1")
    with reading(till, settle_s=0.5) as reader:
        reader.commit(reader.device.read(1).items)
        till.line("1")
        reader.until(1)
        reader.quiet()
    assert [len(sale.lines) for sale in reader.sales] == [2]


def test_a_ticket_that_the_till_takes_back_is_none(till: Till) -> None:
    """Rows that vanish before the ticket was whole are forgotten."""
    till.line("1")
    with reading(till, settle_s=0.4) as reader:
        reader.commit(reader.device.read(1).items)
        till.db.execute("DELETE FROM t_rm_saleflow")
        assert reader.quiet(8) == []


def test_a_late_row_is_set_aside_and_told_once(till: Till) -> None:
    """What comes, or changes, after its ticket was taken: over restarts too, the sale itself is told once."""
    till.line("1")
    till.pay("1", "10")
    with reading(till) as reader:
        reader.until(1)
        till.line("1", item_no="LATE")
        reader.until(2)
        till.db.execute("UPDATE t_rm_saleflow SET sale_money = '11' WHERE item_no = '1'")
        reader.until(3)
        reader.restart()
        reader.quiet()
    assert len(reader.sales) == 1
    assert len(reader.reasons) == 2
    assert all("after its ticket was taken" in reason for reason in reader.reasons)
    assert b'"LATE"' in cast(Rejected, reader.kept[1]).raw


def test_rows_that_are_committed_late_are_found(till: Till) -> None:
    """A slow transaction's lower numbers turn up behind those that were read."""
    for number in (5, 6, 9):
        till.line(str(number), number)
        till.pay(str(number), "10")
    with reading(till) as reader:
        reader.until(3)
        till.line("7", 7)
        till.pay("7", "10")
        reader.until(4)
        reader.restart()
        till.line("8", 8)
        till.pay("8", "10")
        reader.until(5)
        reader.quiet()
    assert [sale.transaction_id for sale in reader.sales] == ["5", "6", "9", "7", "8"]


# --- going on ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["identity", "time"])
def test_kills_between_commit_and_confirm_lose_and_double_nothing(till: Till, by: str) -> None:
    """Killed after every few reads, now before and now after the commit: every ticket once, to the cent."""
    owed = till.sell(600)
    rng = Random(by)
    with reading(till, chunk_rows=57, overlap_rows=40, overlap_s=20, **position(by)) as reader:
        deadline, kills = monotonic() + 60, 0
        while len(reader.sales) < 600:
            assert monotonic() < deadline
            items = reader.device.read(0.2).items
            committed = rng.random() < 0.7
            if committed:
                reader.commit(items)
            if not committed or rng.random() < 0.3:
                reader.restart()
                kills += 1
        reader.restart()
        reader.quiet()
    assert kills > 10
    assert len({sale.source_id for sale in reader.sales}) == len(reader.sales) == 600
    assert sum(sale.total or 0 for sale in reader.sales) == owed
    assert reader.reasons == []


def position(by: str) -> dict[str, Any]:
    if by == "identity":
        return {}
    lines = {"table": "t_rm_saleflow", "ticket": ["flow_no", "posid?"], "position": "oper_date", "by": "time"}
    return {"tables": {"lines": lines, "payments": {"table": "t_rm_payflow", "ticket": ["flow_no", "posid"]}}}


def test_the_state_stays_small(till: Till) -> None:
    """Tickets that lie behind the overlap are forgotten."""
    till.sell(400)
    with reading(till, overlap_rows=50) as reader:
        reader.until(400)
        till.line("last")
        till.pay("last", "10")
        reader.until(401)
    assert len(reader.state) < 60


def test_a_clock_that_is_a_day_ahead_hides_nothing(till: Till) -> None:
    """By time: what is sold after the till's clock was put right is read, though it lies before what was read."""
    now = datetime.now(ZONE).replace(microsecond=0, tzinfo=None)
    for number, when in (("1", now - timedelta(minutes=2)), ("2", now + timedelta(days=1))):
        till.line(number, oper_date=str(when))
        till.pay(number, "10")
    with reading(till, **position("time")) as reader:
        reader.until(2)
        till.line("3", oper_date=str(now - timedelta(minutes=1)))
        till.pay("3", "10")
        reader.until(3)
        reader.restart()
        till.line("4", oper_date=str(now))
        till.pay("4", "10")
        reader.until(4)
        reader.quiet()
    assert [sale.transaction_id for sale in reader.sales] == ["1", "2", "3", "4"]


def test_many_rows_of_one_second_are_one_chunk(till: Till) -> None:
    """By time: no row is skipped where a chunk ends in the middle of a second."""
    for number in range(40):
        till.line(str(number))
        till.pay(str(number), "10")
    with reading(till, chunk_rows=7, **position("time")) as reader:
        reader.until(40)
    assert len({sale.source_id for sale in reader.sales}) == 40
