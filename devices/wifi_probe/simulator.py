"""A probe in a shop window: passers-by and customers with made-up addresses, and some who show their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message


def report(macs: list[str], rng: Random) -> bytes:
    """What a probe posts of these devices."""
    rows = [{"mac": mac, "rssi": str(-rng.randrange(30, 95)), "range": f"{rng.uniform(1, 80):.1f}"} for mac in macs]
    return json.dumps({"id": "00f40f9a", "data": rows}).encode()


def address(rng: Random, *, made_up: bool) -> str:
    """A device's address, its own or one that it made up."""
    first = rng.randrange(256) & 0xFC | (2 if made_up else 0)
    return ":".join(f"{byte:02x}" for byte in (first, *rng.randbytes(5)))


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - reports carry no time
    """Endless reports."""
    there = [address(rng, made_up=rng.random() < 0.6) for _ in range(60)]
    while True:
        there[rng.randrange(len(there))] = address(rng, made_up=rng.random() < 0.6)
        yield Message("push", report(rng.sample(there, 30), rng), content_type="application/json")
