"""No full card number leaves the cleaning, wherever a till put it: asked of the box's file with HQ's own key."""

from __future__ import annotations

import re
import time
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from devices.driver import Item, Reading, Rejected
from edge_agent.buffer import Buffer
from edge_agent.cleaning import Policy
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.recorder.opening import FILE
from edge_agent.station import Station
from records import Record, to_json
from records.types import PosSale, Quarantine, SaleLine, Tender
from tests.edge_agent.boxes import TestBox, folder_bytes
from tests.edge_agent.cleaning.test_cards import TEXTS, cards, grouped
from tests.edge_agent.test_recorder import running

PLACES = 6  # cards of one sale and one reject
PATIENCE_S = 600.0  # a hundred thousand are some minutes' work of a busy machine
SEPARATORS = " -.\u00a0"
RAW = [
    "paid {} EXP 12/27",
    "{} 12/27",
    "%B{}^DOE/JOHN^25121010000000000?",
    ";{}=25121010000012300000?",
    "<PAN>{}</PAN><ExpirationDate>2027-12</ExpirationDate>",
]


def said(numbers: list[str], name: str, rng: Random) -> Iterator[Item]:
    """A sale and a reject with these numbers in them."""
    product, operator, customer, tender, raw, raw_grouped = numbers
    at = datetime.now(UTC)
    line = SaleLine(1, "sale", name=rng.choice(TEXTS).format(written(product, rng)), quantity=Decimal(1))
    sale = PosSale(
        name,
        name,
        operator=written(operator, rng),
        customer=written(customer, rng),
        lines=(line,),
        tenders=(Tender("card", Decimal(1), masked_pan=tender),),
    )
    yield Reading(sale, at)
    told = f"{rng.choice(RAW).format(raw)}\n{rng.choice(TEXTS).format(written(raw_grouped, rng))}"
    yield Rejected("no sale", told.encode(), at)


def shown(items: list[Item]) -> str:
    """As a log would write them, but for escapes of the wide space."""
    return str(items).replace(r"\xc2\xa0", "\u00a0").replace(r"\xa0", "\u00a0")


def written(number: str, rng: Random) -> str:
    return rng.choice([number, *(grouped(number, separator) for separator in SEPARATORS)])


def text_of(record: Record) -> str:
    """All that a record says, its quarantined bytes in the clear."""
    data = record.data
    raw = b64decode(data.raw).decode() if isinstance(data, Quarantine) else ""
    return to_json(record).decode() + raw


def full(text: str, planted: frozenset[str]) -> set[str]:
    """The planted numbers that stand whole in a text, separators or not."""
    found = set()
    for run in re.findall(r"[0-9](?:[ .\u00a0-]?[0-9]){12,}", text):
        digits = re.sub(r"[^0-9]", "", run)
        for size in range(13, 20):
            found |= {digits[start : start + size] for start in range(len(digits) - size + 1)} & planted
    return found


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_no_card_is_found_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str], count: int) -> None:
    """Not in names, people, tenders, rejects and tracks, as HQ reads them; not in the file, nor in the log."""
    rng, box, clock = Random(21), TestBox(), SystemClock()
    numbers = list(cards(count - count % PLACES))
    planted = frozenset(numbers)
    left = iter(numbers)
    with running(tmp_path, box) as (desk, recorder):
        intake, station = Intake(desk, Policy(bytes(32)), clock), Station("till", "poslog", clock)
        while batch := list(islice(left, PLACES * 200)):
            items: list[Item] = []
            for start in range(0, len(batch), PLACES):
                items += said(batch[start : start + PLACES], f"sale {len(items)} of {batch[0][:6]}", rng)
            assert full(shown(items), planted) >= set(batch)  # so that a clean box means something
            intake.take(station, items, waits=False).result(60)
        accepted = dict(recorder.status().accepted)
    deadline = time.monotonic() + PATIENCE_S
    with running(tmp_path, box) as (
        _,
        recorder,
    ):  # rows of a life before go into batches, also where nobody fetches them
        while any(recorder.status().cut[lane] < last for lane, last in accepted.items()):
            assert time.monotonic() < deadline, "not all is in batches"
            time.sleep(0.05)

    buffer = Buffer(tmp_path / FILE)
    records = list(box.read(buffer.outbox.parcels(frozenset(), 100_000)).values())
    buffer.close()
    sales = [record for record in records if isinstance(record.data, PosSale)]
    rejects = [record for record in records if isinstance(record.data, Quarantine)]

    assert len(sales) == len(rejects) == len(numbers) // PLACES
    assert [text for text in map(text_of, records) if full(text, planted)] == []
    assert full(folder_bytes(tmp_path).decode("utf-8", "replace"), planted) == set()
    assert full("".join(capfd.readouterr()), planted) == set()
