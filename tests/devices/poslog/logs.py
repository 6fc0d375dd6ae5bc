"""Logs to read, and what is read of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from devices.driver import Context, Item, Reading, Rejected
from records.types import SaleLine, Transaction
from tests.devices.cases import decoder_of, fed

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
