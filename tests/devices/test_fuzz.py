"""No bytes make a driver's decoder raise, or say what the cleaning cannot take: a hundred thousand inputs for each.

Inputs are made of what the driver's cases and its simulator say, cut, joined, repeated and spoilt. The same seed makes
the same inputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

import pytest

from devices.driver import Context, Decoder, Item, Reading, Rejected
from devices.registry import BUILT_IN, driver
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from tests.devices.cases import decoder_of, drop_cases

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
LONGEST = 600  # bytes of an input
LIFE = 40  # inputs that one decoder hears
MASKED = 20  # of so many rejects one is masked too, which is the dearest of all
POLICY, MOMENT = Policy(bytes(32)), Moment(AT + timedelta(hours=1))
SPECIAL = [b"\x00", b"\xff", b"\r\n", b"\n", b"\x02", b"\x1b", b"\x1d", b"{", b"}", b'"', b"<", b">", b"-", b"9" * 20]


def seeds(name: str) -> list[bytes]:
    """What the driver's cases and its simulator say, in pieces."""
    said = [path.read_bytes() for path in drop_cases(BUILT_IN[name].removeprefix("devices."))]
    said += [message.body for message in islice(driver(name).messages(Random(1), AT, timedelta(minutes=1)), 10)]
    lines = [line for text in said for line in text.splitlines(keepends=True)[:40]]
    return [piece[:LONGEST] for piece in (*said, *lines) if piece]


def settings(name: str) -> dict[str, Any]:
    """Those of the driver's first case."""
    case = drop_cases(BUILT_IN[name].removeprefix("devices."))[0].with_suffix(".json")
    told: dict[str, Any] = json.loads(case.read_text(encoding="utf-8"))["settings"]
    return told


def inputs(name: str, count: int) -> Iterator[bytes]:
    rng, pool = Random(name), seeds(name)
    for _ in range(count):
        data = bytearray(b"".join(rng.choice(pool) for _ in range(rng.randrange(1, 4))))
        for _ in range(rng.randrange(6)):
            spoil(data, rng)
        start = rng.randrange(len(data) + 1) if rng.random() < 0.3 else 0
        yield bytes(data[start : start + LONGEST])


def spoil(data: bytearray, rng: Random) -> None:
    """One change."""
    place = rng.randrange(len(data) + 1)
    match rng.randrange(5):
        case 0:
            data[place:place] = rng.choice(SPECIAL)
        case 1:
            data[place : place + 1] = bytes((rng.randrange(256),))
        case 2:
            del data[place : place + rng.randrange(20)]
        case 3:
            data[place:place] = data[place : place + rng.randrange(20)]
        case _:
            data[place:place] = rng.randbytes(rng.randrange(6))


def hear(decoder: Decoder, data: bytes, rng: Random) -> list[Item]:
    """The input in two pieces, and its end."""
    cut = rng.randrange(len(data) + 1)
    return [*decoder.feed(data[:cut], AT), *decoder.feed(data[cut:], AT), *decoder.end(AT)]


@pytest.mark.parametrize("count", [200, pytest.param(100_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_no_bytes_break_a_driver(name: str, count: int) -> None:
    """All inputs are heard; what comes out are readings and rejects, and the cleaning takes each."""
    rng, chosen, heard, told = Random(count), settings(name), 0, 0
    for number, data in enumerate(inputs(name, count)):
        if number % LIFE == 0:
            decoder = decoder_of(name, Context(), **chosen)
        for item in hear(decoder, data, rng):
            told += 1
            assert isinstance(item, Reading | Rejected), item
            kept = clean(item, "fuzz", POLICY, MOMENT) if isinstance(item, Reading) else item
            assert not isinstance(kept, Rejected) or kept.reason
            if isinstance(kept, Rejected) and told % MASKED == 0:
                quarantine(kept, "fuzz")
        heard += 1
    assert heard == count
    assert told > count // 50  # else the inputs are too far from the protocol to mean anything
