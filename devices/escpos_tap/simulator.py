"""What tills print: a Chinese one in GB18030 and a Western one in code page 1252, with drawer pulses, logos, copies,
barcodes and a status request in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from unicodedata import east_asian_width

from devices.goods import Ticket, tickets
from devices.simulator import Message

_WIDTH = 48
_INIT, _DRAWER, _CUT = b"\x1b@", b"\x1bp\x00\x3c\x78", b"\x1dVB\x00"
_CHINESE_ON, _STATUS = b"\x1c&", b"\x10\x04\x01"
_RULE = "-" * _WIDTH
_SPAN = timedelta(minutes=10)


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """One receipt for every `step`, without end; now and then one is printed twice. Times are the clock of `at`."""
    number = 1
    while True:
        for ticket in tickets(rng, at, _SPAN, number):
            number += 1
            body = _printed(ticket._replace(at=at), rng)
            yield Message("serial", body * 2 if rng.random() < 0.08 else body)
            at += step


def _printed(ticket: Ticket, rng: Random) -> bytes:
    chinese = rng.random() < 0.7
    begin = _INIT + (_logo(rng) if rng.random() < 0.3 else b"")
    paid = _DRAWER if rng.random() < 0.4 else b""
    return begin + (chinese_receipt if chinese else western_receipt)(ticket, cash=bool(paid)) + _CUT + paid


def chinese_receipt(ticket: Ticket, *, cash: bool) -> bytes:
    """A supermarket's: name on one line, article, quantity, price and amount on the next."""
    lines = ["        便民超市", f"小票号:{ticket.at:%Y%m%d}{ticket.number:05}  收银机:{ticket.till:02}"]
    lines += [f"日期:{ticket.at:%Y-%m-%d %H:%M:%S}", _RULE, _row("品名", "数量", "单价", "金额"), _RULE]
    for sold in ticket.sold:
        lines += [
            sold.good.name,
            _row(sold.good.gtin, str(sold.quantity), str(sold.good.price), _signed(ticket, sold.amount)),
        ]
    lines += [_RULE, _row("合计", "", "", _signed(ticket, ticket.total))]
    lines += [_row("现金" if cash else "微信支付", "", "", _signed(ticket, ticket.total)), "谢谢惠顾"]
    return _CHINESE_ON + b"".join(line.encode("gb18030") + b"\n" for line in lines) + _STATUS


def western_receipt(ticket: Ticket, *, cash: bool) -> bytes:
    """Columns by absolute positions, as drivers of cash registers print them, and the number as a barcode."""
    said = b"\x1c.\x1bt\x10" + f"CORNER SHOP\nReceipt No. {ticket.number:06}\nTill: {ticket.till}\n".encode("cp1252")
    for sold in ticket.sold:
        name = sold.good.name.encode("ascii", "ignore").decode().strip() or sold.good.item_id
        price = f"{sold.quantity} x {sold.good.price}"
        said += _columns(name[:22], price, _signed(ticket, sold.amount))
    said += b"\x1b!\x20" + _columns("TOTAL", "", _signed(ticket, ticket.total)) + b"\x1b!\x00"
    said += _columns("CASH" if cash else "CARD", "", _signed(ticket, ticket.total))
    code = f"{ticket.number:06}".encode()
    return said + b"\x1dh\x30\x1dkE" + bytes([len(code)]) + code + b"\x1bd\x03"


def _signed(ticket: Ticket, amount: Decimal) -> str:
    return f"{-amount if ticket.returned else amount:.2f}"


def _columns(name: str, price: str, amount: str) -> bytes:
    middle = b"\x1b$" + (280).to_bytes(2, "little") + price.encode() if price else b""
    return name.encode("cp1252", "replace") + middle + b"\x1b$" + (470).to_bytes(2, "little") + amount.encode() + b"\n"


def _row(first: str, *rest: str) -> str:
    """A column of 18 cells and then of 10, to the right; a Chinese character takes two."""
    return first + " " * (18 - _cells(first)) + "".join(" " * (10 - _cells(text)) + text for text in rest)


def _cells(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def _logo(rng: Random) -> bytes:
    width, height = 16, 24
    return b"\x1dv0\x00" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + rng.randbytes(width * height)
