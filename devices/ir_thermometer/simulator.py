"""What a thermometer at a shop's door says in a day: mostly healthy people, now and then a cold sleeve or a fever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message


def frame(celsius: float, second: float = 26.0, *, continuous: bool = False) -> bytes:
    """The frame that says so; see `frames`."""
    data = round(celsius * 100).to_bytes(2, "big", signed=True) + round(second * 100).to_bytes(2, "big", signed=True)
    return bytes((0x66, 0x66, 1 if continuous else 2, len(data))) + data + bytes((sum(data) & 0xFF,))


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - frames carry no time
    """Endless checks, each a frame."""
    while True:
        yield Message("serial", frame(_celsius(rng), round(rng.gauss(24, 2), 2)))


def _celsius(rng: Random) -> float:
    kind = rng.random()
    if kind < 0.01:
        return round(rng.uniform(37.4, 39.5), 2)
    if kind < 0.03:
        return round(rng.uniform(18, 30), 2)
    return round(rng.gauss(36.4, 0.25), 2)
