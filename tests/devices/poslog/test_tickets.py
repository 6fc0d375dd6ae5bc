"""poslog: what a log's transactions are, to the cent."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast

import pytest

from devices.driver import Reading
from devices.poslog.privacy import masked_pan, redacted
from records.types import CashEvent, PosControl, PosReturn, PosSale, PosVoid, Tender, Transaction
from tests.devices.cases import printed
from tests.devices.poslog.logs import (
    HEADER,
    goods,
    grand,
    line,
    log,
    read,
    retail,
    tender,
    told,
)

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


def test_a_comment_inside_a_value_is_no_part_of_it() -> None:
    """Neither does what follows the comment get lost."""
    sold = line("<ExtendedAmount>2<!-- and -->.50</ExtendedAmount><Quantity>1<?till no?>0</Quantity>")
    assert (sold.extended_amount, sold.quantity) == (Decimal("2.50"), 10)


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
