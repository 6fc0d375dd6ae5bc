"""Files to read, and what is read of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from devices.driver import Context, Item, Reading, Rejected
from records.types import Transaction
from tests.devices.cases import decoder_of, fed

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
SHANGHAI = Context(timezone=ZoneInfo("Asia/Shanghai"), currency="CNY")
HEADER = "transaction_id,at,item_id,name,quantity,unit_price\n"


def read(data: bytes | str, context: Context = SHANGHAI, **settings: Any) -> list[Item]:
    body = data.encode() if isinstance(data, str) else data
    return fed(decoder_of("csv-drop", context, **settings), [body], AT)


def tickets(items: list[Item]) -> list[Transaction]:
    return [cast(Transaction, item.data) for item in items if isinstance(item, Reading)]


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


def one(row: str, **settings: Any) -> Transaction:
    (ticket,) = tickets(read(HEADER + row + "\n", **settings))
    return ticket


def local(ticket_time: str, **settings: Any) -> datetime:
    (item,) = read(HEADER + f'1,"{ticket_time}",a,A,1,1\n', **settings)
    assert isinstance(item, Reading), item
    return item.at.astimezone(SHANGHAI.timezone)
