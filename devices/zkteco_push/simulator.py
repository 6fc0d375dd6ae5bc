"""A time clock that pushes each punch as it happens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message

SERIAL = "CKUH210060002"
PUSH = f"/iclock/cdata?SN={SERIAL}&table=ATTLOG&Stamp=9999"
_STAFF = ("101", "102", "103", "204", "205")


def line(person: str, at: datetime, state: int, method: int) -> bytes:
    """A punch of the terminal's local time."""
    return f"{person}\t{at:%Y-%m-%d %H:%M:%S}\t{state}\t{method}\t0\t0\n".encode()


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless punches of people who come and go, each a push."""
    inside: set[str] = set()
    while True:
        person = rng.choice(_STAFF)
        yield Message("push", line(person, at, int(person in inside), rng.choice((1, 1, 4, 15))), PUSH, "text/plain")
        inside ^= {person}
        at += step
