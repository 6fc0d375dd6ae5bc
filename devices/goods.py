"""Goods and tickets that simulated tills sell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

CENT = Decimal("0.01")


class Good(NamedTuple):
    """unit: EA, or KGM for what is weighed; price: of one unit."""

    item_id: str
    gtin: str
    name: str
    price: Decimal
    unit: str = "EA"


class Sold(NamedTuple):
    good: Good
    quantity: Decimal

    @property
    def amount(self) -> Decimal:
        return (self.quantity * self.good.price).quantize(CENT)


class Ticket(NamedTuple):
    """returned: all of it comes back; member: the customer's number, or blank. Amounts are positive either way."""

    at: datetime
    till: int
    number: int
    returned: bool
    member: str
    sold: tuple[Sold, ...]

    @property
    def total(self) -> Decimal:
        return sum((sold.amount for sold in self.sold), Decimal(0))


def _good(number: int, name: str, price: str, unit: str = "EA") -> Good:
    body = f"690{number:09}"
    check = -sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(body)) % 10
    return Good(f"{100_000 + number}", f"{body}{check}", name, Decimal(price), unit)


GOODS = tuple(
    _good(number, *told)
    for number, told in enumerate(
        [
            ("纯牛奶 250ml×12", "49.90"),
            ("农家鲜鸡蛋 30枚", "25.80"),
            ("东北大米 5kg", "39.90"),
            ("红富士苹果", "9.98", "KGM"),
            ("五花肉", "35.60", "KGM"),
            ("矿泉水 550ml", "2.00"),
            ("酱油 500ml", "8.90"),
            ("抽纸 3层×6包", "16.90"),
            ("Oat biscuits 300g", "12.50"),
            ("Espresso beans 1kg", "118.00"),
            ("Olive oil 750ml", "68.00"),
            ('Plate 12" white', "29.00"),
            ("LED bulb E27, warm", "19.90"),
            ("购物袋", "0.30"),
        ],
        1,
    )
)


def tickets(rng: Random, at: datetime, span: timedelta, first_number: int) -> Iterator[Ticket]:
    """A few tickets of three tills in order of time between `at` and `at + span`, numbered from `first_number`."""
    times = sorted(at + span * rng.random() for _ in range(rng.randint(3, 12)))
    for number, time in enumerate(times, first_number):
        member = f"{rng.randint(1, 5000):06}" if rng.random() < 0.4 else ""
        sold = tuple(_sold(rng, rng.choice(GOODS)) for _ in range(rng.randint(1, 8)))
        yield Ticket(time.replace(microsecond=0), rng.randint(1, 3), number, rng.random() < 0.03, member, sold)


def _sold(rng: Random, good: Good) -> Sold:
    weighed = good.unit == "KGM"
    return Sold(good, Decimal(rng.randint(50, 2500)) / 1000 if weighed else Decimal(rng.choice((1, 1, 1, 2, 3))))
