"""Exports of two kinds of tills: a Chinese one in GB18030, and one in UTF-8 with BOM and quoted cells.

Times are the wall clock of `at`'s zone. Returned tickets have the prefix C.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from random import Random

from devices.goods import Ticket, tickets
from devices.simulator import Message

CHINESE = ("小票号", "销售时间", "收银机号", "商品编码", "商品名称", "数量", "单价", "金额", "会员号")
WESTERN = (
    "InvoiceNo",
    "InvoiceDate",
    "TillID",
    "StockCode",
    "Description",
    "Quantity",
    "UnitPrice",
    "Amount",
    "CustomerID",
)


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """One file for every `step`, without end; a ticket's number is never used twice, whenever a run starts."""
    run, number = f"{at:%y%m%d%H%M%S}", 1
    while True:
        part = list(tickets(rng, at, step, number))
        number += len(part)
        chinese = rng.random() < 0.6
        name = f"sales-{run}-{number:06}.csv"
        body = _file(part, run, CHINESE, "gb18030") if chinese else _file(part, run, WESTERN, "utf-8-sig")
        yield Message("drop", body, name, "text/csv")
        at += step


def _file(part: Iterable[Ticket], run: str, header: tuple[str, ...], encoding: str) -> bytes:
    text = StringIO()
    out = csv.writer(text)
    out.writerow(header)
    for ticket in part:
        number = f"{'C' if ticket.returned else ''}{run}{ticket.number:06}"
        sign = -1 if ticket.returned else 1
        for sold in ticket.sold:
            good = sold.good
            what = (good.item_id, good.name, sign * sold.quantity, good.price, sign * sold.amount, ticket.member)
            out.writerow((number, f"{ticket.at:%Y-%m-%d %H:%M:%S}", f"{ticket.till:02}", *what))
    return text.getvalue().encode(encoding)
