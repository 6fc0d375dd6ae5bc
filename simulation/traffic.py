"""Records as a busy grocery store would make them, from a seed: for the dictionary's training, for benchmarks and
for tests that need many. No customer's data went into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

import msgspec

from records import ClockQuality, Record
from records.types import (
    DeviceHealth,
    DoorCount,
    Energy,
    PaymentCode,
    PosControl,
    PosReturn,
    PosSale,
    Punch,
    Quarantine,
    SaleLine,
    Scan,
    TempAmbient,
    TempCheck,
    Tender,
)

GOODS = (
    "纯牛奶 250ml",
    "鲜鸡蛋 10枚",
    "五常大米 5kg",
    "矿泉水 550ml",
    "红富士苹果",
    "方便面 红烧牛肉",
    "酱油 500ml",
    "洗衣液 2kg",
    "抽纸 3包",
    "可乐 330ml",
    "Whole milk 1L",
    "Free range eggs",
    "Basmati rice 1kg",
    "Still water 50cl",
    "Gala apples",
    "Dark chocolate 100g",
    "Ground coffee 500g",
    "Dish soap",
    "Kitchen roll",
    "Orange juice 1L",
)
SIZES = (1, 2, 2, 3, 4, 6, 12)
TENDERS = ("cash", "card", "wechat", "alipay", "unionpay", "voucher")


def ean13(rng: Random) -> str:
    """A well-formed EAN-13 of China's prefix 690-699."""
    digits = f"69{rng.randrange(10**10):010d}"
    check = -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10
    return f"{digits}{check}"


class Item(NamedTuple):
    """One item of the range; price in the store's currency."""

    code: str
    name: str
    price: Decimal


def item_range(rng: Random, size: int = 3_000) -> list[Item]:
    """What the store sells."""
    return [Item(ean13(rng), rng.choice(GOODS), Decimal(rng.randrange(100, 9999)) / 100) for _ in range(size)]


def _line(rng: Random, number: int, sign: int, items: list[Item]) -> SaleLine:
    quantity = Decimal(rng.choice((1, 1, 1, 2, 3))) * sign
    item = items[min(int(rng.paretovariate(0.8)), len(items)) - 1]  # few items sell often, many seldom
    return SaleLine(
        line=number,
        kind="sale" if sign > 0 else "return",
        item_id=item.code,
        gtin=f"0{item.code}",
        name=item.name,
        quantity=quantity,
        unit="EA",
        unit_price=item.price,
        extended_amount=item.price * quantity,
    )


def sale(rng: Random, at: datetime, number: int, items: list[Item]) -> PosSale | PosReturn:
    """A ticket of one to twelve lines; one in forty is a return."""
    sign = -1 if rng.random() < 0.025 else 1
    return _ticket(rng, at, number, tuple(_line(rng, n, sign, items) for n in range(1, rng.choice(SIZES) + 1)))


def ticket_line(rng: Random, at: datetime, number: int, items: list[Item]) -> PosSale | PosReturn:
    """A ticket of one line."""
    return _ticket(rng, at, number, (_line(rng, 1, 1, items),))


def _ticket(rng: Random, at: datetime, number: int, lines: tuple[SaleLine, ...]) -> PosSale | PosReturn:
    total = sum((line.extended_amount or Decimal(0) for line in lines), Decimal(0))
    workstation = f"{rng.randrange(1, 5):02d}"
    ticket = f"{number:06d}"
    kind = PosSale if lines[0].kind == "sale" else PosReturn
    return kind(
        source_id=f"{workstation}/{at.date()}/{ticket}",
        transaction_id=ticket,
        workstation=workstation,
        business_day=at.date(),
        currency="CNY",
        operator=f"p-{rng.randrange(1, 9):016x}",
        customer=f"c-{rng.randrange(16**16):016x}" if rng.random() < 0.4 else None,
        lines=lines,
        tenders=(Tender(kind=rng.choice(TENDERS), amount=total),),
        total=total,
        tax=(total * 13 / 113).quantize(Decimal("0.01")),
    )


def _other(rng: Random, at: datetime, number: int) -> tuple[str, msgspec.Struct]:
    code = ean13(rng)
    return rng.choice(
        (
            ("scan-1", Scan(code=code, symbology="EAN-13", gtin=f"0{code}", role="receiving")),
            ("scan-1", Scan(code=code, symbology="EAN-13", gtin=f"0{code}", role="sale")),
            ("door-1", DoorCount(in_=rng.randrange(9), out=rng.randrange(9), from_=at - timedelta(minutes=1), to=at)),
            ("door-2", DoorCount(in_=rng.randrange(9), out=rng.randrange(9), line="1")),
            ("gate-1", TempCheck(celsius=round(rng.gauss(36.5, 0.3), 2), verdict="normal")),
            ("cold-1", TempAmbient(celsius=round(rng.gauss(-18, 1), 1), probe="freezer-1")),
            ("cold-2", TempAmbient(celsius=round(rng.gauss(4, 1), 1), humidity_pct=round(rng.gauss(70, 5), 1))),
            ("meter-1", Energy(kwh=Decimal(number) / 100, meter="202611000001")),
            ("clock-1", Punch(source_id=f"{number}", person=f"p-{rng.randrange(16**16):016x}", direction="in")),
            ("scan-1", PaymentCode(scheme=rng.choice(("wechat", "alipay", "unionpay")))),
            ("till-1", PosControl(source_id=f"01/{at.date()}/{number}", kind="sign-on", workstation="01")),
            ("door-1", DeviceHealth(state=rng.choice(("up", "down")), reason="no answer")),
            (
                "scan-1",
                Quarantine(device="scan-1", reason="check digit of EAN-13 is wrong", raw="NjkwMTIzNDU2Nzg5MA=="),
            ),
        )
    )


def records(rng: Random, at: datetime, step: timedelta = timedelta(milliseconds=200)) -> Iterator[Record]:
    """Records without end, `step` apart: six in ten are tickets."""
    number = 0
    items = item_range(rng)
    while True:
        number += 1
        at += step
        mono = number * (step // timedelta(milliseconds=1))
        if rng.random() < 0.6:
            ticket = sale(rng, at, number, items)
            yield Record(f"till-{ticket.workstation}", at, ticket, mono, ClockQuality.SOURCE)
        else:
            device, data = _other(rng, at, number)
            yield Record(device, at, data, mono, ClockQuality.SYNCED)
