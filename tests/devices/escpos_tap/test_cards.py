"""Card numbers on paper: none survives driver and cleaning, however the printer's stream spreads it."""

from __future__ import annotations

import base64
import re
from random import Random

import pytest

from devices.driver import Context, Reading, Rejected
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from edge_agent.cleaning.cards import gtin_holds
from records import Record, to_json
from tests.devices.cases import decoder_of, fed
from tests.devices.escpos_tap.tapped import AT, printed

BRANDS = (
    ("4", 16),
    ("4", 13),
    ("4", 19),
    ("52", 16),
    ("34", 15),
    ("6222", 16),
    ("6222", 19),
    ("3530", 16),
    ("6011", 16),
)
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def card(rng: Random) -> str:
    """Made up, and no article's number by chance: what is both is an article unless a word for a card stands there."""
    begin, length = rng.choice(BRANDS)
    body = begin + "".join(str(rng.randrange(10)) for _ in range(length - len(begin) - 1))
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body))]
    number = body + str(-sum(number - 9 * (number > 9) for number in doubled) % 10)
    return card(rng) if gtin_holds(number) else number


def spread(rng: Random, number: str) -> bytes:
    """The number as one of the ways a printer's stream may carry it."""
    fours = [number[place : place + 4] for place in range(0, len(number), 4)]
    cut = rng.randrange(4, len(number) - 3)
    halves = f"{number[:cut]}\n{number[cut:]}"
    forms = [
        "卡号:" + number,
        number,
        " ".join(fours),
        "-".join(fours),
        "card " + halves,
        "卡号 " + halves.replace("\n", " \n   "),
        "卡号:" + number.translate(FULL_WIDTH),
        "\x1bE\x01".join((number[:cut], number[cut:])),
        "\x10\x04\x01".join((number[:cut], number[cut:])),
        "\x00".join(number),
        f"CARD {number} EXP 12/29",
        f";{number}=29121010000012345678?",
        f"%B{number}^DOE/JOHN^29121010000012345678?",
    ]
    if len(number) >= 16:
        forms.append("\x1b$\x80\x01".join(fours))
    return rng.choice(forms).encode("gb18030")


def said(records: list[bytes]) -> str:
    """All that leaves the box, base64 undone, with the places where text went over lines closed."""
    text = b" ".join(records).decode()
    raws = (base64.b64decode(found) for found in re.findall(r'"raw":"([^"]+)"', text))
    whole = text + b" ".join(raws).decode("gb18030", "replace")
    return re.sub(r"\\n|[\s-]", "", whole.translate(str.maketrans("０１２３４５６７８９", "0123456789")))


def records(pieces: list[bytes]) -> list[bytes]:
    policy, moment = Policy(bytes(32)), Moment(AT)
    out = []
    for item in fed(decoder_of("escpos-tap", Context()), pieces, AT):
        cleaned = clean(item, "till", policy, moment) if isinstance(item, Reading) else item
        record = quarantine(cleaned, "till") if isinstance(cleaned, Rejected) else cleaned
        assert isinstance(record, Record)
        out.append(to_json(record))
    return out


def leaked(count: int, seed: int) -> list[str]:
    rng, found = Random(seed), []
    for _ in range(count):
        number = card(rng)
        line = "便利店\n".encode("gb18030") + spread(rng, number) + b"\n12.00\n\x1dV\x00"
        cut = rng.randrange(len(line))
        if number in said(records([line[:cut], line[cut:]])):
            found.append(number)
    return found


def test_no_card_number_leaves_the_box() -> None:
    """In one piece, spread over lines, columns, commands, reads and full-width digits, with track data and expiry."""
    assert leaked(1500, 3) == []


@pytest.mark.long
def test_none_of_a_hundred_thousand_leaves_the_box() -> None:
    """The same for as many as the promise says."""
    assert leaked(100_000, 5) == []


def test_numbers_that_are_no_cards_stay() -> None:
    """Amounts in columns, articles, order numbers over lines, dates and phones."""
    text = (
        "6901234567892  2\n1234.50   6222.00\n4000.00  12.50\nOrder 20261121\n000421234\n13800138000\n"
        "400 820 8820\n12345678\n90123456"
    )
    assert printed(text.encode()) == text


def test_what_is_set_aside_holds_no_digits() -> None:
    """Nobody can tell what a number is in what could not be read."""
    (record,) = records([b"\xff\xfe\x01\x9f" * 9 + b"6222021234567894\xff"])
    assert b"6222" not in base64.b64decode(re.findall(rb'"raw":"([^"]+)"', record)[0])
