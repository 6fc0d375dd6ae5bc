"""poslog: every transaction of a till's log becomes one record, and a broken one costs itself alone."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, cast
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, Item, Reading, Rejected
from devices.poslog.frames import BETWEEN, LONGEST
from devices.poslog.privacy import masked_pan, redacted
from devices.poslog.simulator import messages
from devices.registry import driver
from records.types import CashEvent, PosControl, PosReturn, PosSale, PosVoid, SaleLine, Tender, Transaction
from tests.devices.cases import decoded, decoder_of, drop_cases, fed, pieces_of, printed
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
STORE = Context(timezone=ZoneInfo("Asia/Shanghai"), currency="CNY")
NAMESPACE = "http://www.nrf-arts.org/IXRetail/namespace/"
HEADER = (
    "<WorkstationID>3</WorkstationID><SequenceNumber>7</SequenceNumber><BusinessDayDate>2026-11-20</BusinessDayDate>"
    "<BeginDateTime>2026-11-21T00:30:00</BeginDateTime><EndDateTime>2026-11-21T00:31:00</EndDateTime>"
)
GOOD = f"<Transaction>{HEADER}<RetailTransaction/></Transaction>"


def read(data: bytes | str, context: Context = STORE) -> list[Item]:
    body = data.encode() if isinstance(data, str) else data
    return fed(decoder_of("poslog", context), [body], AT)


def log(*transactions: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><POSLog xmlns="{NAMESPACE}">{"".join(transactions)}</POSLog>'


def told(body: str, attributes: str = "", header: str = HEADER) -> Any:
    """The data of one transaction."""
    (item,) = read(log(f"<Transaction{attributes}>{header}{body}</Transaction>"))
    assert isinstance(item, Reading), item
    return item.data


def retail(items: str, attributes: str = "", totals: str = "", on_transaction: str = "") -> Any:
    return told(f"<RetailTransaction{attributes}>{items}{totals}</RetailTransaction>", on_transaction)


def goods(number: int, item: str, amount: str, quantity: str = "1", kind: str = "Sale", void: str = "") -> str:
    flag = ' VoidFlag="true"' if void else ""
    return (
        f"<LineItem{flag}><SequenceNumber>{number}</SequenceNumber><{kind}><ItemID>{item}</ItemID>"
        f"<ExtendedAmount>{amount}</ExtendedAmount><Quantity>{quantity}</Quantity>{void}</{kind}></LineItem>"
    )


def line(content: str) -> SaleLine:
    data = cast(Transaction, retail(f"<LineItem><Sale><ItemID>1</ItemID>{content}</Sale></LineItem>"))
    return data.lines[0]


def tender(content: str = "<Amount>1</Amount>", attributes: str = 'TenderType="Cash"') -> str:
    return f"<LineItem><Tender {attributes}>{content}</Tender></LineItem>"


def grand(amount: str) -> str:
    return f'<Total TotalType="TransactionGrandAmount">{amount}</Total>'


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


@pytest.mark.parametrize("capture", drop_cases("poslog"), ids=lambda path: path.stem)
def test_recorded_logs_decode_as_recorded(capture: Path) -> None:
    """Each recorded log gives its records and what is set aside."""
    got, expected = decoded("poslog", capture)
    assert got == expected


# --- header --------------------------------------------------------------------------------------------------------


def test_the_header_says_who_where_and_when() -> None:
    """Times without offset are the store's, and the business day may differ from the calendar's."""
    (item,) = read(
        log(f"<Transaction>{HEADER}<OperatorID OperatorName='N N'>12</OperatorID><RetailTransaction/></Transaction>")
    )
    assert isinstance(item, Reading)
    assert item.at == datetime(2026, 11, 20, 16, 31, tzinfo=UTC)
    assert item.data == PosControl(
        source_id="3/2026-11-20/7/2026-11-21T00:30:00",
        kind="no-sale",
        workstation="3",
        business_day=date(2026, 11, 20),
        operator="12",
    )


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("<EndDateTime>2026-11-21T00:31:00.1234567Z</EndDateTime>", datetime(2026, 11, 21, 0, 31, 0, 123456, UTC)),
        ("<EndDateTime>2026-11-21T00:31:00+01:00</EndDateTime>", datetime(2026, 11, 20, 23, 31, tzinfo=UTC)),
        ("<BeginDateTime>2026-11-21T08:00:00</BeginDateTime>", datetime(2026, 11, 21, tzinfo=UTC)),
        (
            "<POSLogDateTime TypeCode='Message'>2026-11-21T10:00:00</POSLogDateTime>"
            "<POSLogDateTime TypeCode='Transaction'>2026-11-21T09:00:00</POSLogDateTime>",
            datetime(2026, 11, 21, 1, tzinfo=UTC),
        ),
        (
            "<BeginDateTime>2026-11-21T08:00:00</BeginDateTime><EndDateTime>0001-01-01T00:00:00</EndDateTime>",
            datetime(2026, 11, 21, tzinfo=UTC),
        ),
    ],
)
def test_times_of_every_shape_are_read(stamp: str, at: datetime) -> None:
    """With seven decimals, an offset, only a beginning, only a log time; year 1 is no time."""
    (item,) = read(log(f"<Transaction><SequenceNumber>7</SequenceNumber>{stamp}<RetailTransaction/></Transaction>"))
    assert isinstance(item, Reading), item
    assert item.at == at


def test_an_operators_name_is_used_only_without_a_number() -> None:
    """The name stands in only where there is nothing else to tell operators apart."""
    header = HEADER + "<OperatorID OperatorName='N N'/>"
    assert told("<RetailTransaction/>", header=header).operator == "N N"


def test_the_currency_is_the_logs_or_the_stores() -> None:
    """CurrencyCode wins over the store's."""
    sale = f"<RetailTransaction>{goods(1, 'a', '1')}</RetailTransaction>"
    assert told(sale).currency == "CNY"
    assert told(sale, header=HEADER + "<CurrencyCode>EUR</CurrencyCode>").currency == "EUR"


# --- kinds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<ControlTransaction><ReasonCode>x</ReasonCode><OperatorSignOn/></ControlTransaction>", "sign-on"),
        ("<ControlTransaction><OperatorSignOff/></ControlTransaction>", "sign-off"),
        ("<ControlTransaction><NoSale/></ControlTransaction>", "no-sale"),
        ("<ControlTransaction><PriceLookup/></ControlTransaction>", "price-lookup"),
        ("<ControlTransaction><BusinessSOD/></ControlTransaction>", "open"),
        ("<ControlTransaction><BusinessEOD/></ControlTransaction>", "close"),
        ("<ControlTransaction TypeCode='TrainingEnter'/>", "training-enter"),
        ("<ControlTransaction/>", "control"),
        ("<InventoryControlTransaction/>", "inventory-control"),
        ("<TenderControlTransaction><SafeSettle/></TenderControlTransaction>", "safe-settle"),
        ("<RetailTransaction/>", "no-sale"),
        ("<RetailTransaction><Total TotalType='TransactionGrandAmount'>0</Total></RetailTransaction>", "no-sale"),
    ],
)
def test_what_is_no_sale_is_a_control_of_its_kind(body: str, kind: str) -> None:
    """Sign-on, drawer opened, unknown kinds: nothing is lost, nothing is counted as a sale."""
    data = told(body)
    assert isinstance(data, PosControl)
    assert data.kind == kind


def test_money_put_in_and_taken_out_is_a_cash_event() -> None:
    """Paid in and out, loans and pickups, with their amount."""
    data = told("<TenderControlTransaction><PaidIn><Amount>50</Amount></PaidIn></TenderControlTransaction>")
    assert isinstance(data, CashEvent)
    assert (data.kind, data.amount) == ("pay-in", Decimal(50))


@pytest.mark.parametrize(
    ("attributes", "on_transaction"),
    [
        ("", ' CancelFlag="true"'), ("", ' VoidedFlag="1"'), (' TransactionStatus="Voided"', ""),
        (' TransactionStatus="Canceled"', ""), (' TransactionStatus="PostVoided"', ""),
    ],
)  # fmt: skip
def test_a_cancelled_ticket_is_a_void(attributes: str, on_transaction: str) -> None:
    """It keeps its lines and is no sale."""
    data = retail(goods(1, "a", "5"), attributes, grand("5"), on_transaction)
    assert isinstance(data, PosVoid)
    assert len(data.lines) == 1


@pytest.mark.parametrize(
    ("attributes", "on_transaction", "kind"),
    [
        ("", ' TrainingModeFlag="true"', "training"), ("", ' SuspendFlag="true"', "suspended"),
        (' TransactionStatus="Suspended"', "", "suspended"), (' TransactionStatus="Training"', "", "training"),
    ],
)  # fmt: skip
def test_training_and_suspended_tickets_are_no_sales(attributes: str, on_transaction: str, kind: str) -> None:
    """A suspended ticket counts when it is resumed, an exercise never."""
    data = retail(goods(1, "a", "5"), attributes, on_transaction=on_transaction)
    assert isinstance(data, PosControl)
    assert data.kind == kind


def test_flags_that_say_false_change_nothing() -> None:
    """Logs that write every flag out are read like those that do not."""
    flags = ' CancelFlag="false" TrainingModeFlag="false" SuspendedFlag="0" VoidedFlag="false"'
    assert isinstance(retail(goods(1, "a", "5"), on_transaction=flags), PosSale)


# --- lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quantity", "amount"), [("2", "5"), ("-2", "-5"), ("2", "-5")])
def test_returns_are_negative_whichever_sign_the_till_wrote(quantity: str, amount: str) -> None:
    """All goods back: a pos.return, with line, total and refund negative."""
    data = retail(goods(1, "a", amount, quantity, "Return") + tender("<Amount>5</Amount>"), totals=grand("5"))
    assert isinstance(data, PosReturn)
    assert [(one.kind, one.quantity, one.extended_amount) for one in data.lines] == [("return", -2, -5)]
    assert (data.total, data.tenders[0].amount) == (-5, -5)


def test_a_sale_of_a_negative_quantity_is_a_return() -> None:
    """Some tills have no Return element."""
    data = retail(goods(1, "a", "-5", "-2"))
    assert isinstance(data, PosReturn)
    assert (data.lines[0].kind, data.lines[0].flags) == ("return", ())


def test_an_exchange_is_a_sale_with_a_return_line() -> None:
    """Only a ticket that is all return is a pos.return."""
    data = retail(goods(1, "a", "5", kind="Return") + goods(2, "b", "8"), totals=grand("3"))
    assert isinstance(data, PosSale)
    assert [one.kind for one in data.lines] == ["return", "sale"]
    assert sum(one.extended_amount or 0 for one in data.lines) == data.total == 3


@pytest.mark.parametrize(
    "void",
    [
        goods(2, "a", "5", void="<ItemLink>1</ItemLink>"),
        goods(2, "a", "5", void="<Brand/>"),
        goods(2, "a", "-5", "-1", void="<Brand/>"),
    ],
    ids=["linked", "alike", "negative"],
)
def test_a_void_line_takes_back_an_earlier_one(void: str) -> None:
    """Named, alike or negative already: the lines add up to the total."""
    data = retail(goods(1, "a", "5") + void + goods(3, "b", "3") + tender("<Amount>3</Amount>"), totals=grand("3"))
    assert [(one.kind, one.quantity, one.extended_amount) for one in data.lines] == [
        ("sale", 1, 5),
        ("void", -1, -5),
        ("sale", 1, 3),
    ]


def test_two_voids_take_back_two_lines() -> None:
    """A line is taken back once; a void without anything to take back was itself cancelled."""
    void = goods(9, "a", "5", void="<Brand/>")
    data = retail(goods(1, "a", "5") + goods(2, "a", "5") + void + void + void + tender("<Amount>0</Amount>"))
    assert [one.extended_amount for one in data.lines] == [5, 5, -5, -5, None]
    assert data.lines[-1].flags == ("cancelled",)


def test_a_voided_return_line_is_positive() -> None:
    """What takes back a return adds up too."""
    back = goods(1, "a", "5", kind="Return") + goods(2, "a", "5", kind="Return", void="<ItemLink>1</ItemLink>")
    data = retail(back + goods(3, "b", "3") + tender())
    assert [(one.kind, one.extended_amount) for one in data.lines] == [("return", -5), ("void", 5), ("sale", 3)]


def test_a_ticket_of_which_everything_was_taken_back_is_a_void() -> None:
    """Nothing stands and nothing was tendered: it is no sale of zero."""
    data = retail(goods(1, "a", "5") + goods(2, "a", "5", void="<ItemLink>1</ItemLink>"), totals=grand("0"))
    assert isinstance(data, PosVoid)


@pytest.mark.parametrize("kind", ["SaleForDelivery", "SaleForPickup", "FuelSale", "PreviousLayaway"])
def test_goods_sold_in_other_ways_are_sales(kind: str) -> None:
    """Delivery, pickup, fuel and layaway lines are sale lines."""
    assert retail(goods(1, "a", "5", kind=kind)).lines[0].kind == "sale"


PIECE = '<Quantity UnitOfMeasureCode="EA">1</Quantity>'
WEIGHT = '<Quantity UnitOfMeasureCode="Kg">0.127</Quantity>'


@pytest.mark.parametrize(
    ("content", "quantity", "unit"),
    [
        ("<Quantity>2</Quantity>", "2", None),
        (f"{PIECE}{WEIGHT}", "0.127", "Kg"),
        (f"{WEIGHT}{PIECE}", "0.127", "Kg"),
        ('<Quantity Units="0.127" UnitOfMeasureCode="KGM">1</Quantity>', "0.127", "KGM"),
        ('<Quantity Units="6" UnitOfMeasureCode="EA">2</Quantity>', "2", "EA"),
    ],
)  # fmt: skip
def test_the_quantity_is_the_one_that_was_charged(content: str, quantity: str, unit: str | None) -> None:
    """Of pieces and weight it is the one that makes the amount, wherever it is written."""
    sold = line(f"<ActualSalesUnitPrice>10.00</ActualSalesUnitPrice><ExtendedAmount>1.27</ExtendedAmount>{content}")
    assert (sold.quantity, sold.unit) == (Decimal(quantity), unit)


def test_with_a_discount_the_quantity_makes_the_amount_before_it() -> None:
    """0.5 kg at 10.00 less 2.00 is 3.00, not one piece."""
    sold = line(
        "<ActualSalesUnitPrice>10</ActualSalesUnitPrice><ExtendedAmount>3</ExtendedAmount>"
        "<ExtendedDiscountAmount>2</ExtendedDiscountAmount>"
        '<Quantity UnitOfMeasureCode="EA">1</Quantity><Quantity UnitOfMeasureCode="Kg">0.5</Quantity>'
    )
    assert (sold.quantity, sold.discount) == (Decimal("0.5"), 2)


def test_a_missing_amount_is_quantity_times_price() -> None:
    """Computed in decimals, less what was taken off."""
    sold = line(
        "<RegularSalesUnitPrice>2.99</RegularSalesUnitPrice><Quantity>3</Quantity>"
        '<RetailPriceModifier><Amount Action="Subtract">0.97</Amount></RetailPriceModifier>'
    )
    assert sold.extended_amount == Decimal("8.00")


@pytest.mark.parametrize(
    ("kind", "number", "gtin"),
    [
        ("EAN", "4006381333931", "04006381333931"), ("GTIN", "00205601000002", None), ("X:EAN", "4088", None),
        ("GTIN", "00000000067591", None), ("EAN", "4006381333932", None), ("POSItemID", "4006381333931", None),
        ("UPC", "036000291452", "00036000291452"),
    ],
)  # fmt: skip
def test_a_gtin_is_told_by_type_length_and_check_digit(kind: str, number: str, gtin: str | None) -> None:
    """A PLU in a GTIN's field is no GTIN."""
    got = line(
        f'<POSIdentity POSIDType="{kind}"><POSItemID>{number}</POSItemID></POSIdentity><Quantity>1</Quantity>'
    ).gtin
    assert got == (number if number == "00205601000002" else gtin)


# --- totals, tenders, people ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("totals", "total", "tax"),
    [
        (grand("9.81"), "9.81", None),
        (grand("9").replace("Grand", "Net") + grand("0.81").replace("Grand", "Tax"), "9.81", "0.81"),
        ("<LineItem><Tax><Amount>0.81</Amount></Tax></LineItem>" * 2, "1", "1.62"),
        ('<Total TotalType="TransactionGrandAmount"><Amount>9.81</Amount></Total>', "9.81", None),
    ],
)  # fmt: skip
def test_totals_are_the_tills(totals: str, total: str, tax: str | None) -> None:
    """What the customer owes, from the grand amount, from net and tax, or from what was tendered."""
    data = retail(goods(1, "a", "9") + tender(), totals=totals)
    assert data.total == Decimal(total)
    assert data.tax == (None if tax is None else Decimal(tax))


def test_tenders_add_up_to_what_was_paid() -> None:
    """Change is negative, a voided tender is none, names are in lower case."""
    items = (
        goods(1, "a", "9")
        + tender("<Amount>20</Amount><TenderChange><Amount>11</Amount></TenderChange>")
        + tender().replace("<LineItem>", '<LineItem VoidFlag="true">')
        + tender("<Amount>1</Amount>", 'TenderType="GiftCard" TypeCode="Refund"')
    )
    assert retail(items).tenders == (
        Tender("cash", Decimal(20)),
        Tender("change", Decimal(-11)),
        Tender("gift-card", Decimal(-1)),
    )


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("4111111111111111", "411111******1111"), ("4111 1111-1111 1111", "411111******1111"),
        ("XXXXXXXXXXXX1111", "************1111"), ("4111111111XX1111", "411111******1111"),
        ("****************", "****************"), ("12345678", "****5678"), ("123456", "****56"),
        ("aGVsbG8=", None), ("", None), ("6222021234567890123", "622202*********0123"),
    ],
)  # fmt: skip
def test_card_numbers_are_masked(number: str, masked: str | None) -> None:
    """First 6 and last 4 digits at most, however the till wrote it."""
    assert masked_pan(number) == masked


def test_nothing_secret_gets_into_a_reading() -> None:
    """Numbers, expiry, tracks and names are neither in the record nor in the raw text kept for a quarantine."""
    secret = ("4111111111111111", "2030-12", ";4111=3012?", "N. Ame", "Cust Omer", "0815-4711")
    header = HEADER + f"<OperatorID OperatorName='{secret[3]}'>1</OperatorID>"
    card = (
        f"<CreditDebit><PrimaryAccountNumber>{secret[0]}</PrimaryAccountNumber><ExpirationDate>{secret[1]}"
        f"</ExpirationDate><Track2>{secret[2]}</Track2><CardHolderName>{secret[4]}</CardHolderName></CreditDebit>"
    )
    customer = f"<Customer><Name>{secret[4]}</Name><Phone>{secret[5]}</Phone><CustomerID>77</CustomerID></Customer>"
    sale = f"<RetailTransaction>{customer}{goods(1, 'a', '9')}{tender('<Amount>9</Amount>' + card)}</RetailTransaction>"
    (item,) = read(log(f"<Transaction>{header}{sale}</Transaction>"))
    assert isinstance(item, Reading)
    shown = json.dumps(printed([item])) + item.raw.decode()
    assert not [word for word in secret if word in shown]
    assert "411111******1111" in shown
    assert cast(Transaction, item.data).customer == "77"


def test_a_cut_off_card_number_is_redacted_too() -> None:
    """The end of the file in the middle of a number leaves nothing of it."""
    assert redacted(b"<a><PrimaryAccountNumber>41111111111") == b"<a><PrimaryAccountNumber>"
    assert redacted(b"<Customer><Name>Some Bo") == b"<Customer>"
    assert redacted(b"<Customer /><b>kept</b>") == b"<Customer /><b>kept</b>"


@pytest.mark.parametrize(
    ("content", "customer"),
    [
        ("<CustomerID>5</CustomerID>", "5"),
        ("<LoyaltyAccount><LoyaltyAccountID>6</LoyaltyAccountID></LoyaltyAccount>", "6"),
        ("<LineItem><a:Points xmlns:a='a'><a:LoyaltyID>007</a:LoyaltyID></a:Points></LineItem>", "007"),
        ("<LineItem><LoyaltyReward><LoyaltyID>0000</LoyaltyID></LoyaltyReward></LineItem>", None),
        ("<Customer><Name>Some Body</Name></Customer>", None),
    ],
)  # fmt: skip
def test_the_customer_is_a_number_never_a_name(content: str, customer: str | None) -> None:
    """From customer or loyalty elements of the sale; zeros are no number."""
    assert retail(content + goods(1, "a", "1")).customer == customer


# --- what is set aside ---------------------------------------------------------------------------------------------


ODD_AMOUNT = GOOD.replace("<RetailTransaction/>", f"<RetailTransaction>{goods(1, 'a', '1,5')}</RetailTransaction>")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("<Transaction><a></Transaction>", "it is not well-formed XML"),
        ("<Transaction>A & B</Transaction>", "it is not well-formed XML"),
        ("<Transaction><x:a/></Transaction>", "it is not well-formed XML"),
        ("<Transaction>&xxe;</Transaction>", "it is not well-formed XML"),
        ("<Transaction/>", "it is cut off by the next one"),
        ("<Transaction><SequenceNumber>1", "it is cut off by the next one"),
        ("<Transacton></Transaction>", "its beginning is missing"),
        (f"<Transaction>{HEADER}</Transaction>", "it holds no RetailTransaction, ControlTransaction or the like"),
        ("<Transaction><RetailTransaction/></Transaction>", "it has neither SequenceNumber"),
        ("<Transaction><SequenceNumber>1</SequenceNumber><RetailTransaction/></Transaction>", "it has no time"),
        (GOOD.replace("2026-11-21T00:31:00", "yesterday"), "its time is no xs:dateTime"),
        (GOOD.replace("2026-11-20", "20.11.26"), "its BusinessDayDate is no xs:date"),
        (ODD_AMOUNT, "its ExtendedAmount is not a decimal number"),
        (ODD_AMOUNT.replace("1,5", "NaN"), "its ExtendedAmount is not a decimal number"),
    ],
)  # fmt: skip
def test_a_broken_transaction_costs_itself_alone(broken: str, reason: str) -> None:
    """What stands before and after it is read."""
    items = read(log(GOOD, broken, GOOD))
    assert [type(item) for item in items] == [Reading, Rejected, Reading]
    (got,) = reasons(items)
    assert got.startswith(f"transaction 2: {reason}")


def test_a_cut_off_file_keeps_what_came_before() -> None:
    """Wherever the file ends, the complete transactions are read and the rest is said to be missing."""
    file = log(GOOD, GOOD, GOOD)
    whole = read(file)
    assert [type(item) for item in whole] == [Reading] * 3
    for cut in range(1, len(file)):
        items = read(file[:cut])
        readings = [item for item in items if isinstance(item, Reading)]
        assert readings == whole[: len(readings)]
        assert len(readings) == file[:cut].count("</Transaction>")
        assert len(reasons(items)) == 1, cut


BOMBS = {
    "billion laughs": '<!DOCTYPE POSLog [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>',
    "external": '<!DOCTYPE POSLog [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    "parameter": '<!DOCTYPE POSLog [<!ENTITY % b SYSTEM "http://127.0.0.1:9/x.dtd"> %b;]>',
}


@pytest.mark.parametrize("doctype", BOMBS.values(), ids=BOMBS.keys())
def test_a_file_that_declares_entities_is_refused(doctype: str) -> None:
    """Nothing is expanded, nothing is fetched, nothing of it is read."""
    items = read(
        f"{doctype}<POSLog>{GOOD}<Transaction>{HEADER}<RetailTransaction>&b;</RetailTransaction></Transaction></POSLog>"
    )
    (reason,) = reasons(items)
    assert len(items) == 1
    assert reason.startswith("the file declares entities and is refused")


def test_a_doctype_without_entities_is_passed_over() -> None:
    """An old till's reference to its DTD is not followed and does no harm."""
    items = read(f'<!DOCTYPE POSLog SYSTEM "file:///etc/poslog.dtd"><POSLog>{GOOD}</POSLog>')
    assert [type(item) for item in items] == [Reading]


@pytest.mark.parametrize("file", ["", "PK\x03\x04", "a,b\n1,2\n", "<html><body/></html>", "<html><body>"])
def test_a_file_that_is_no_poslog_is_one_reject(file: str) -> None:
    """The reason says that it is none, or cut off."""
    (reason,) = reasons(read(file))
    assert reason.startswith("the file ")


@pytest.mark.parametrize("file", ["<POSLog/>", f'<POSLog xmlns="{NAMESPACE}"></POSLog>'])
def test_a_log_without_transactions_is_no_fault(file: str) -> None:
    """A till that sold nothing has nothing to say."""
    assert read(file) == []


def test_an_endless_transaction_is_given_up() -> None:
    """Memory is bounded: beyond the limit it is set aside, and the next is read."""
    filler = "<a/>" * 50_000
    parts = [
        log()[: -len("</POSLog>")].encode(),
        b"<Transaction>",
        *[filler.encode()] * 60,
        f"</Transaction>{GOOD}</POSLog>".encode(),
    ]
    items = fed(decoder_of("poslog", STORE), parts, AT)
    assert reasons(items) == ["transaction 1: it is longer than 8 MiB"]
    assert [type(item) for item in items] == [Rejected, Reading]
    assert len(filler) * 60 > LONGEST


# --- encodings and shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("utf-8", "utf-8"), ("UTF-8", "utf-8-sig"), ("GB2312", "gb18030"), ("GBK", "gb18030"), ("gb18030", "gb18030"),
        ("utf-16", "utf-16"), ("utf-16", "utf-16-be"), ("", "utf-8"), ("", "gb18030"), ("Big5", "big5"),
    ],
)  # fmt: skip
def test_encodings_are_read_as_declared(declared: str, encoding: str) -> None:
    """Chinese names come through in every encoding that tills use."""
    name = "牛奶 ¥" if encoding != "big5" else "牛奶"
    sale = f"<LineItem><Sale><Description>{name}</Description><Quantity>1</Quantity></Sale></LineItem>"
    body = log(f"<Transaction>{HEADER}<RetailTransaction>{sale}</RetailTransaction></Transaction>")
    file = body.replace(' encoding="utf-8"', f' encoding="{declared}"' if declared else "").encode(encoding)
    (item,) = read(file)
    assert isinstance(item, Reading), item
    assert cast(Transaction, item.data).lines[0].name == name


def test_bytes_outside_the_encoding_cost_their_transaction_alone() -> None:
    """A damaged name does not spoil the file."""
    damaged = GOOD.replace("<RetailTransaction/>", "<RetailTransaction>caf\xe9</RetailTransaction>")
    items = read(log(GOOD, damaged, GOOD).encode("latin-1"))
    assert [type(item) for item in items] == [Reading, Rejected, Reading]
    assert reasons(items) == ["transaction 2: it is not in the encoding utf-8"]


ODD = GOOD.replace("<RetailTransaction/>", "<RetailTransaction x:y='1'/>")
HIDDEN = GOOD.replace("<RetailT", "<!-- </Transaction> --><a><![CDATA[</Transaction>]]></a><RetailT")


@pytest.mark.parametrize(
    "file",
    [
        re.sub("<(/?)(?=[A-Z])", r"<\1p:", f"<POSLog xmlns:p='{NAMESPACE}'>{GOOD}</POSLog>"),
        f"<POSLog xmlns='http://www.nrf-arts.org/IXRetail/v6.0.0/poslog' MajorVersion='6'>{GOOD}</POSLog>",
        f"<s:Envelope xmlns:s='urn:s'><s:Body><POSLog xmlns:x='urn:x'>{ODD}</POSLog></s:Body></s:Envelope>",
        GOOD,
        f"<!-- <Transaction> --><POSLog><StoreID>9</StoreID>{HIDDEN}</POSLog>",
    ],
    ids=["prefix", "v6", "envelope", "bare", "hidden tags"],
)  # fmt: skip
def test_wrappings_do_not_matter(file: str) -> None:
    """Prefixes, other namespaces, envelopes, none at all, tags in comments: the transaction is read."""
    (item,) = read(file)
    assert isinstance(item, Reading), item
    assert item.data == cast(Reading, read(log(GOOD))[0]).data


# --- any input -----------------------------------------------------------------------------------------------------

TOKENS = [
    GOOD, "<Transaction>", "</Transaction>", "<Transaction", "<p:Transaction ", "<!--", "-->", "<![CDATA[", "]]>",
    "<?", "?>", "<POSLog>", "</POSLog>", "<!ENTITY", "<!DOCTYPE a [", "]>", "&a;", "<", ">", "&", "\xff", "牛", "</",
    "<RetailTransaction>",
]  # fmt: skip
noisy = st.lists(st.sampled_from(TOKENS).map(str.encode) | st.binary(max_size=6), max_size=25).map(b"".join)


@given(noisy, st.lists(st.integers(0, 4000), max_size=5))
def test_chunking_does_not_matter(noise: bytes, cuts: list[int]) -> None:
    """However the file is sliced, the same comes out, and nothing raises."""
    file = b"<POSLog>" + noise + GOOD.encode() + b"</POSLog>"
    whole = read(file)
    assert fed(decoder_of("poslog", STORE), pieces_of(file, cuts), AT) == whole
    assert fed(decoder_of("poslog", STORE), [bytes([byte]) for byte in file[:600]], AT) == read(file[:600])
    printed(whole)


def test_recorded_logs_are_the_same_byte_by_byte() -> None:
    """A whole log fed in single bytes gives what it gives in one piece."""
    for capture in drop_cases("poslog"):
        data = capture.read_bytes()
        assert fed(decoder_of("poslog", STORE), [data[n : n + 1] for n in range(len(data))], AT) == read(data)


@given(st.integers(0, 20_000), st.binary(min_size=1, max_size=30))
def test_damaged_logs_never_raise(place: int, noise: bytes) -> None:
    """A real log with bytes overwritten anywhere gives records and rejects that can be printed."""
    data = bytearray(drop_cases("poslog")[1].read_bytes())
    place %= len(data)
    data[place : place + len(noise)] = noise
    printed(read(bytes(data)))


def test_a_megabyte_of_garbage_is_bounded() -> None:
    """Noise is one reject of at most 4 KiB, whether or not it begins like a comment."""
    noise = Random(11).randbytes(1_000_000)
    for file in (noise, b"<!--" + noise, b"<?xml " + noise):
        items = read(file)
        assert 1 <= len(items) <= 3
        assert all(len(cast(Rejected, item).raw) <= 4096 for item in items)
    assert len(noise) > BETWEEN


def test_the_simulator_speaks_what_the_driver_reads() -> None:
    """Simulated logs decode without a reject, in both versions, with every kind of ticket and no full card number."""
    start = datetime(2026, 11, 21, 9, tzinfo=STORE.timezone)
    items: list[Item] = []
    for seed in range(6):
        sent = list(islice(messages(Random(seed), start + timedelta(days=seed), timedelta(minutes=5)), 20))
        assert sent == list(islice(messages(Random(seed), start + timedelta(days=seed), timedelta(minutes=5)), 20))
        items += [item for message in sent for item in read(message.body)]
    assert reasons(items) == []
    data = [cast(Any, item).data for item in items]
    assert {type(one) for one in data} == {PosSale, PosReturn, PosVoid, PosControl}
    assert len({one.source_id for one in data}) == len(items) > 900
    sales = [one for one in data if isinstance(one, PosSale | PosReturn)]
    assert all(sum(line.extended_amount for line in one.lines) == one.total for one in sales)
    assert any(tender.masked_pan == "411111******1111" for one in sales for tender in one.tenders)
    assert b"4111111111111111" not in b"".join(cast(Reading, item).raw for item in items)


def test_a_dropped_log_is_read_through_the_folder(tmp_path: Path) -> None:
    """The device takes a log from its folder; one that is cut off in a long transaction is kept in failed/."""
    package = driver("poslog")
    options = package.options.model_validate({"id": "a", "driver": "poslog", "path": tmp_path, "settle_s": 0})
    (tmp_path / "a.xml").write_text(log(GOOD))
    (tmp_path / "b.xml").write_text(log(GOOD, f"<Transaction>{'<a/>' * 2000}")[:7000])
    device = cast(Any, package.device(options, STORE))
    device.open()
    for _ in range(2):
        taken = device.read(0)
        assert isinstance(taken.items[0].data, PosControl)
        taken.confirm()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["b.xml", "b.xml.reason", "failed"]


# --- samples -------------------------------------------------------------------------------------------------------


def _plain(path: Path) -> tuple[int, int, Decimal]:
    """Transactions, sale lines and the sum of grand amounts, by a plain walk over the file."""
    root = ElementTree.parse(path).getroot()  # noqa: S314 - a sample of ours
    every = [element.tag.rpartition("}")[2] for element in root.iter()]
    totals = [e for e in root.iter() if e.tag.endswith("}Total") and e.get("TotalType") == "TransactionGrandAmount"]
    return every.count("Transaction"), every.count("Sale"), sum((Decimal(e.text or "") for e in totals), Decimal(0))


@needs_samples
def test_real_logs_sum_as_a_plain_walk_over_them() -> None:
    """Transactions, lines and totals of real logs equal those counted without our code; nothing is set aside."""
    logs = sorted((cast(Path, SHARED) / "samples/pos_poslog").glob("*.xml"))
    assert logs
    for path in logs:
        items = read(path.read_bytes())
        assert reasons(items) == []
        sales = [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, Transaction)]
        total = sum((sale.total or 0 for sale in sales), Decimal(0))
        assert (len(items), sum(len(sale.lines) for sale in sales), total) == _plain(path)


@needs_samples
def test_a_real_log_keeps_no_name_and_no_expiry() -> None:
    """The Wincor log's masked number stays masked, its expiry and its operator's name are gone."""
    items = read((cast(Path, SHARED) / "samples/pos_poslog/wincor_ikea_v2.2_pt_2015_abridged.xml").read_bytes())
    shown = json.dumps(printed(items)) + "".join(cast(Reading, item).raw.decode() for item in items)
    assert not [word for word in ("REDACTED", "2012-12", "422003") if word in shown]
    assert [type(cast(Reading, item).data) for item in items] == [PosControl, PosSale]
    (tender,) = cast(Transaction, cast(Reading, items[1]).data).tenders
    assert tender == Tender("card", Decimal("34.99"), "*" * 16)
