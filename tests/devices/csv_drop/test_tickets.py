"""csv-drop: rows become tickets, and what is broken is set aside."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from typing import cast

import pytest

from devices.driver import Rejected
from records.types import PosReturn, PosSale
from tests.devices.cases import decoder_of, fed
from tests.devices.csv_drop.rows import AT, HEADER, SHANGHAI, one, read, reasons, tickets

# --- tickets -------------------------------------------------------------------------------------------------------


def test_rows_of_a_ticket_need_not_be_adjacent() -> None:
    """Rows of one number become one record, in the order of their first rows."""
    items = read(HEADER + "1,2026-11-21 09:00,a,A,1,1\n2,2026-11-21 09:01,b,B,1,2\n1,2026-11-21 09:00,c,C,1,3\n")
    assert [(t.transaction_id, [line.item_id for line in t.lines]) for t in tickets(items)] == [
        ("1", ["a", "c"]),
        ("2", ["b"]),
    ]


def test_equal_rows_are_two_lines() -> None:
    """A customer who buys the same twice has bought it twice."""
    row = "1,2026-11-21 09:00,a,A,1,2.50\n"
    (ticket,) = tickets(read(HEADER + row + row))
    assert [line.line for line in ticket.lines] == [1, 2]
    assert ticket.total == Decimal("5.00")


def test_amounts_are_exact_decimals() -> None:
    """Quantity × price is computed in decimals, without rounding."""
    assert one("1,2026-11-21 09:00,a,A,0.735,19.99").lines[0].extended_amount == Decimal("14.69265")


def test_the_column_of_amounts_wins_over_the_product() -> None:
    """A discounted line keeps the amount that the till told."""
    (ticket,) = tickets(read("invoice,date,qty,price,amount\n1,2026-11-21,3,10,25\n"))
    assert ticket.total == Decimal(25)


@pytest.mark.parametrize("quantity", ["-2", "2"])
def test_a_return_is_negative_whichever_sign_the_till_gave(quantity: str) -> None:
    """A number with the prefix is a return; its quantities and amounts are negative, its price is not."""
    ticket = one(f"C1,2026-11-21 09:00,a,A,{quantity},2.50", return_prefix="C")
    assert isinstance(ticket, PosReturn)
    line = ticket.lines[0]
    assert (line.kind, line.quantity, line.unit_price, line.extended_amount, line.flags) == (
        "return", Decimal(-2), Decimal("2.50"), Decimal("-5.00"), (),
    )  # fmt: skip
    assert ticket.total == Decimal("-5.00")
    assert ticket.transaction_id == "C1"


@pytest.mark.parametrize(
    ("row", "flags"),
    [
        ("1,2026-11-21 09:00,a,A,1866,0.003", ()),
        ("1,2026-11-21 09:00,a,A,0,2", ("zero-quantity",)),
        ("1,2026-11-21 09:00,a,A,1,0", ("zero-price",)),
        ("1,2026-11-21 09:00,a,A,-1,2", ("negative-quantity",)),
        ("1,2026-11-21 09:00,a,A,1,-11062.06", ("negative-price",)),
    ],
)
def test_odd_lines_are_kept_with_a_flag(row: str, flags: tuple[str, ...]) -> None:
    """Fuel by the cent, gifts and corrections are sales, flagged where they are odd."""
    ticket = one(row)
    assert isinstance(ticket, PosSale)
    assert ticket.lines[0].flags == flags


def test_what_is_unknown_is_absent() -> None:
    """A blank cell is no value: no customer, no price, and so no amount and no total."""
    (ticket,) = tickets(read("invoice,date,qty,price,customer\n1,2026-11-21,1,,\n"))
    assert (ticket.customer, ticket.lines[0].unit_price, ticket.lines[0].extended_amount, ticket.total) == (None,) * 4


def test_the_business_day_is_part_of_the_identity() -> None:
    """A number that starts anew every day, or on every till, is another ticket."""
    header = "till,no,date,qty\n".replace("no", "invoice no")
    rows = "1,7,2026-11-21 23:00,1\n1,7,2026-11-22 04:59,1\n1,7,2026-11-22 05:00,1\n2,7,2026-11-22 05:00,1\n"
    items = read(header + rows, SHANGHAI._replace(business_day_start=time(5)))
    assert [(t.source_id, len(t.lines)) for t in tickets(items)] == [
        ("1/2026-11-21/7", 2),
        ("1/2026-11-22/7", 1),
        ("2/2026-11-22/7", 1),
    ]
    assert tickets(items)[0].business_day == date(2026, 11, 21)


# --- what is set aside ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2026-11-21 09:00,b,B,1,1", "transaction_id is blank"),
        ("1,,b,B,1,1", "at is blank"),
        ("1,yesterday,b,B,1,1", "at is not a time that is known; set at_format"),
        ("1,2026-13-21 09:00,b,B,1,1", "at is not a time of that format"),
        ("1,0001-01-01,b,B,1,1", "at its year is no year of a till"),
        ("1,2026-11-21 09:00,b,B,one,1", "quantity is not a number, or one that could mean two"),
        ("1,2026-11-21 09:00,b,B,,1", "neither quantity nor extended_amount has a value"),
        ("1,2026-11-21 09:00,b,B,1,1e5", "unit_price is not a number, or one that could mean two"),
        ("1,2026-11-21 09:00,b", "it has 3 cells where the header has 6"),
        ("1,2026-11-21 09:00,b,B,1,1,more", "it has 7 cells where the header has 6"),
    ],
)
def test_a_broken_row_costs_that_row_alone(row: str, reason: str) -> None:
    """The rest of its ticket stays, and the row is kept with its number and why."""
    good = "1,2026-11-21 09:00,a,A,1,1\n"
    items = read(HEADER + good + row + "\n" + good)
    assert reasons(items) == [f"row 3: {reason}"]
    assert [item.raw.decode() for item in items if isinstance(item, Rejected)] == [row]
    assert [len(t.lines) for t in tickets(items)] == [2]


def test_bytes_outside_the_encoding_cost_their_row_alone() -> None:
    """A damaged name in a UTF-8 file sets its row aside, raw as it was."""
    rows = [
        "1,2026-11-21 09:00,a,牛奶,1,1".encode(),
        b"1,2026-11-21 09:00,b,caf\xe9,1,1",
        "1,2026-11-21,c,蛋,1,1".encode(),
    ]
    items = read(HEADER.encode() + b"\n".join(rows))
    assert [line.name for t in tickets(items) for line in t.lines] == ["牛奶", "蛋"]
    assert [item.raw for item in items if isinstance(item, Rejected)] == [rows[1]]
    assert "encoding" in reasons(items)[0]


def test_a_quote_that_never_closes_costs_its_row_alone() -> None:
    """What a stray quote would swallow is read as the rows it is."""
    good = "1,2026-11-21 09:00,a,A,1,1\n"
    stray = '1,2026-11-21 09:00,b,"B,1,1\n'
    for file in (good + stray + good * 3, good + stray + good * 3 + '1,2026-11-21 09:00,c,"C",1,1\n'):
        items = read(HEADER + file)
        assert len(reasons(items)) == 1
        assert [len(t.lines) for t in tickets(items)] == [file.count("\n") - 1]


def test_a_wrong_setting_is_one_fault_not_thousands() -> None:
    """When no row can be read the file is set aside as one, with the first row's reason."""
    (reason,) = reasons(read(HEADER + "1,21.11.26,a,A,1,1\n" * 1000))
    assert reason == "none of 1000 rows could be read; row 2: at is not a time that is known; set at_format"


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("", "it is empty"),
        ("\r\n \r\n", "it is empty"),
        ("date,id\n2014-03-08,0\n", "set columns.transaction_id"),
        ("invoice,date,colour\n1,2014-03-08,red\n", "set columns.quantity or columns.extended_amount"),
        ("invoice,date,qty,qty\n1,2014-03-08,1,2\n", "several columns could be quantity"),
    ],
)
def test_a_file_without_its_columns_says_which_setting_to_make(file: str, reason: str) -> None:
    """Nothing is guessed from a header that lacks what is needed."""
    (got,) = reasons(read(file))
    assert reason in got


def test_a_header_alone_is_a_day_without_sales() -> None:
    """It is no fault."""
    assert read(HEADER) == []


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    """A mistyped header gets a hint."""
    (reason,) = reasons(read(HEADER + "1,2026-11-21,a,A,1,1\n", columns={"quantity": "quanttiy"}))
    assert "did you mean 'quantity'?" in reason


def test_a_file_too_long_for_memory_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit nothing more is kept, and the reason says what to do."""
    monkeypatch.setattr("devices.csv_drop.driver.MOST_BYTES", 100_000)
    decoder = decoder_of("csv-drop", SHANGHAI)
    items = fed(decoder, [HEADER.encode(), *[b"1,2026-11-21,a,A,1,1\n" * 1000] * 10], AT)
    assert "smaller files" in reasons(items)[0]
    assert len(cast(Rejected, items[0]).raw) == 4096
