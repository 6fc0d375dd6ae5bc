"""Two hundred texts that must be found nowhere, the devices that bring them, and the search for them."""

from __future__ import annotations

import base64
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random
from string import ascii_uppercase
from xml.sax.saxutils import escape

from devices.scanner_serial.simulator import checked, payment_code
from devices.simulator import Message
from edge_agent.cleaning.cards import luhn_holds
from simulation.feeds import Feed

TOTAL = "98765.43"
HEADER = ("小票号", "销售时间", "收银机号", "商品编码", "商品名称", "数量", "单价", "金额", "会员号")
NOTHING, NOTHING_SHORT = re.compile(rb"\0{64,}"), bytes(64)  # a buffer keeps megabytes of free pages


@dataclass(frozen=True)
class Plants:
    """skus and names: as tills write them; cards: in full within texts; codes: scanned articles."""

    skus: list[str]
    names: list[str]
    customers: list[str]
    cards: list[str]
    codes: list[str]
    payments: list[str]

    @property
    def all(self) -> list[str]:
        return [*self.skus, *self.names, *self.customers, *self.cards, *self.codes, *self.payments, TOTAL]


def made_up(rng: Random) -> Plants:
    """Two hundred texts, all different."""
    plants = Plants(
        skus=[f"{''.join(rng.choices(ascii_uppercase, k=3))}-{rng.randrange(10**7):07}" for _ in range(60)],
        names=[_name(rng, number) for number in range(60)],
        customers=[f"M{rng.randrange(10**11):011}" for _ in range(20)],
        cards=[_card(rng) for _ in range(20)],
        codes=[checked(f"69{rng.randrange(10**10):010}") for _ in range(20)],
        payments=[payment_code(rng) for _ in range(19)],
    )
    assert len(set(plants.all)) == 200
    return plants


def _name(rng: Random, number: int) -> str:
    if number % 2:
        return "".join(chr(rng.randrange(0x4E00, 0x9F00)) for _ in range(6))
    return f"{''.join(rng.choices(ascii_uppercase, k=7))} biscuits"


def _card(rng: Random) -> str:
    body = f"4{rng.randrange(10**14):014}"
    return next(f"{body}{digit}" for digit in range(10) if luhn_holds(f"{body}{digit}"))


def feeds(plants: Plants, at: datetime) -> list[Feed]:
    """A till with CSV, one with POSLog, a scanner; `at` is when they begin."""
    lines = list(zip(plants.skus, plants.names, strict=True))
    half = len(lines) // 2
    return [
        Feed("till-1", "csv-drop", {"settle_s": 0}, _csvs(lines[:half], plants, at)),
        Feed("till-2", "poslog", {"settle_s": 0}, _poslogs(lines[half:], plants, at)),
        Feed("scan-1", "scanner-serial", {"role": "sale"}, _scans([*plants.codes, *plants.payments])),
    ]


def _csvs(lines: list[tuple[str, str]], plants: Plants, at: datetime) -> Iterator[Message]:
    """A ticket a file, in both encodings by turns."""
    for number, (sku, name) in enumerate(lines):
        text = StringIO()
        out = csv.writer(text)
        out.writerow(HEADER)
        time, member = f"{at + timedelta(minutes=number):%Y-%m-%d %H:%M:%S}", plants.customers[number % 10]
        price = TOTAL if number == 0 else "3.50"
        card = plants.cards[number % 10]
        out.writerow((f"T{number:06}", time, "01", sku, name, 1, price, price, member))
        if number:
            out.writerow((f"T{number:06}", time, "01", "GIFT", f"Gift card {card}", 1, "1.00", "1.00", member))
        yield Message("drop", text.getvalue().encode("gb18030" if number % 2 else "utf-8-sig"), f"{number:03}.csv")


def _poslogs(lines: list[tuple[str, str]], plants: Plants, at: datetime) -> Iterator[Message]:
    """A transaction a file, paid by card."""
    for number, (sku, name) in enumerate(lines, 1):
        card, member = plants.cards[10 + number % 10], plants.customers[10 + number % 10]
        body = f"""<?xml version="1.0" encoding="UTF-8"?>
<POSLog xmlns="http://www.nrf-arts.org/IXRetail/namespace/" MajorVersion="2"><Transaction>
<RetailStoreID>17</RetailStoreID><WorkstationID>2</WorkstationID><SequenceNumber>{number}</SequenceNumber>
<BusinessDayDate>{at:%Y-%m-%d}</BusinessDayDate><EndDateTime>{at:%Y-%m-%dT%H:%M:%S}</EndDateTime>
<CurrencyCode>CNY</CurrencyCode><RetailTransaction><Customer><CustomerID>{member}</CustomerID></Customer>
<LineItem><SequenceNumber>1</SequenceNumber><Sale><ItemID>{sku}</ItemID><Description>{escape(name)}</Description>
<ActualSalesUnitPrice>2.50</ActualSalesUnitPrice><ExtendedAmount>2.50</ExtendedAmount><Quantity>1</Quantity></Sale>
</LineItem><LineItem><SequenceNumber>2</SequenceNumber><Tender TenderType="CreditDebit" TypeCode="Sale">
<Amount>2.50</Amount><CreditDebit><PrimaryAccountNumber>{card}</PrimaryAccountNumber></CreditDebit></Tender></LineItem>
<Total TotalType="TransactionGrandAmount">2.50</Total></RetailTransaction></Transaction></POSLog>"""
        yield Message("drop", body.encode(), f"{number:03}.xml")


def _scans(codes: Iterable[str]) -> Iterator[Message]:
    for code in codes:
        yield Message("serial", f"{code}\r".encode())


def forms(text: str) -> Iterator[bytes]:
    """The ways in which a text may lie somewhere: encodings, hexadecimal, base64 at every place of its three."""
    plain = text.encode()
    yield from (plain, text.encode("utf-16-le"), text.encode("utf-16-be"), text.encode("gb18030"))
    yield from (plain.hex().encode(), plain.hex().upper().encode())
    for before in range(3):
        after = -(before + len(plain)) % 3
        coded = base64.b64encode(bytes(before) + plain + bytes(after))
        yield coded[4 * (before > 0) : len(coded) - 4 * (after > 0)]  # what neighbours share is left out


def found(texts: Iterable[str], data: bytes) -> set[str]:
    """Those of the texts that stand in the data in any form."""
    data = NOTHING.sub(NOTHING_SHORT, data)
    return {text for text in texts if any(form in data for form in forms(text))}


def content(*folders: Path) -> bytes:
    """Every file below these folders, their names with them."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)
