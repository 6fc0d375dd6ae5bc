"""Logs of simulated tills: version 2 or 6, sign-on, sales, returns, voided lines, cancelled tickets, an opened drawer.

Times are the wall clock of `at`'s zone, without an offset, as tills write them. Card numbers are the industry's test
number in full, so that a run shows that no number gets through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from xml.sax.saxutils import escape

from devices.goods import CENT, Sold, Ticket, tickets
from devices.simulator import Message

NAMESPACE = "http://www.nrf-arts.org/IXRetail/namespace/"
TEST_CARD = "4111111111111111"
VAT = Decimal("0.09")


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """One file for every `step`, without end. Sequence numbers begin at 1 in every run, as at a restarted till."""
    run, number, version = f"{at:%Y%m%d%H%M%S}", 1, rng.choice((2, 6))
    while True:
        part = list(tickets(rng, at, step, number + 1))
        body = _control(at, number, "NoSale" if number > 1 else "OperatorSignOn", version)
        body += "".join(_sale(rng, ticket, version) for ticket in part)
        number += len(part) + 1
        head = '<?xml version="1.0" encoding="UTF-8"?>\n'
        root = f'<POSLog xmlns="{NAMESPACE}" MajorVersion="{version}">'
        yield Message("drop", f"{head}{root}\n{body}</POSLog>\n".encode(), f"poslog-{run}-{number:06}.xml", "text/xml")
        at += step


def _control(at: datetime, number: int, kind: str, version: int) -> str:
    body = f"<ControlTransaction><{kind}/></ControlTransaction>"
    return _transaction(at, 1, number, version, body, "")


def _sale(rng: Random, ticket: Ticket, version: int) -> str:
    cancelled = rng.random() < 0.02
    items = [_item(sold, place, ticket.returned, version) for place, sold in enumerate(ticket.sold, 1)]
    place = len(items) + 1
    if rng.random() < 0.1:
        mistaken = rng.choice(ticket.sold)
        items.append(_item(mistaken, place, ticket.returned, version))
        items.append(_item(mistaken, place + 1, ticket.returned, version, takes_back=place))
    if not cancelled:
        items.append(_tender(rng, ticket, len(items) + 1))
    tax = (ticket.total - ticket.total / (1 + VAT)).quantize(CENT)
    member = f"<Customer><CustomerID>{ticket.member}</CustomerID></Customer>" if ticket.member else ""
    totals = (
        f'<Total TotalType="TransactionTaxAmount">{tax}</Total>'
        f'<Total TotalType="TransactionGrandAmount">{ticket.total}</Total>'
    )
    body = f"<RetailTransaction>{member}{''.join(items)}{totals}</RetailTransaction>"
    return _transaction(ticket.at, ticket.till, ticket.number, version, body, ' CancelFlag="true"' if cancelled else "")


def _transaction(at: datetime, till: int, number: int, version: int, body: str, attributes: str) -> str:
    store = "<BusinessUnit><UnitID>17</UnitID></BusinessUnit>" if version == 6 else "<RetailStoreID>17</RetailStoreID>"
    end = f"{at:%Y-%m-%dT%H:%M:%S}{'.1234567' if version == 6 else ''}"
    return (
        f"<Transaction{attributes}>{store}<WorkstationID>{till}</WorkstationID><SequenceNumber>{number}</SequenceNumber>"
        f"<BusinessDayDate>{at:%Y-%m-%d}</BusinessDayDate><BeginDateTime>{at:%Y-%m-%dT%H:%M:%S}</BeginDateTime>"
        f'<EndDateTime>{end}</EndDateTime><OperatorID OperatorName="Till {till}">{100 + till}</OperatorID>'
        f"<CurrencyCode>CNY</CurrencyCode>{body}</Transaction>\n"
    )


def _item(sold: Sold, place: int, returned: bool, version: int, takes_back: int = 0) -> str:
    good, kind = sold.good, "Return" if returned else "Sale"
    quantities = [f'<Quantity UnitOfMeasureCode="{good.unit}">{sold.quantity}</Quantity>']
    if good.unit == "KGM" and version == 6:
        quantities.insert(0, '<Quantity UnitOfMeasureCode="EA">1</Quantity>')
    link = f"<ItemLink>{takes_back}</ItemLink>" if takes_back else ""
    goods = (
        f'<{kind}><POSIdentity POSIDType="EAN"><POSItemID>{good.gtin}</POSItemID></POSIdentity>'
        f"<ItemID>{good.item_id}</ItemID><Description>{escape(good.name)}</Description>"
        f"<ActualSalesUnitPrice>{good.price}</ActualSalesUnitPrice><ExtendedAmount>{sold.amount}</ExtendedAmount>"
        f"{''.join(quantities)}{link}</{kind}>"
    )
    return _line(place, goods, version, ' VoidFlag="true"' if takes_back else "")


def _tender(rng: Random, ticket: Ticket, place: int) -> str:
    kind = rng.choice(("Cash", "CreditDebit", "WeChat", "Alipay"))
    code = "Refund" if ticket.returned else "Sale"
    more = ""
    if kind == "CreditDebit":
        more = f"<CreditDebit><PrimaryAccountNumber>{TEST_CARD}</PrimaryAccountNumber></CreditDebit>"
    tender = f'<Tender TenderType="{kind}" TypeCode="{code}"><Amount>{ticket.total}</Amount>{more}</Tender>'
    return _line(place, tender, 2, "")


def _line(place: int, content: str, version: int, attributes: str) -> str:
    number = f"<SequenceNumber>{place}</SequenceNumber>"
    parts: Sequence[str] = (content, number) if version == 6 else (number, content)
    return f"<LineItem{attributes}>{''.join(parts)}</LineItem>"
