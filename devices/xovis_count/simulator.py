"""What a sensor of firmware 5 over a door pushes: every minute the counts of its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless packages, each with the interval of a `step`, which is a minute at least."""
    step = max(step, timedelta(minutes=1))
    number = inside = 0
    while True:
        enter = min(rng.randrange(8), rng.randrange(8))
        leave = rng.randint(0, min(inside + enter, 8))
        inside, number = inside + enter - leave, number + 1
        yield Message("push", logics(number, at, at + step, (enter, leave)), content_type="application/json")
        at += step


def logics(number: int, begin: datetime, end: datetime, people: tuple[int, int]) -> bytes:
    """A package of one interval; people as (forward, backward)."""
    counts = [{"id": 2 + side, "name": name, "value": people[side]} for side, name in enumerate(("fw", "bw"))]
    record = {"from": _ms(begin), "to": _ms(end), "counts": counts}
    logic = {"id": 2, "name": "Door", "info": "XLT_4X_LINE_IN_OUT_COUNT", "records": [record]}
    package = {"version": "5.0", "id": number, "agent_id": 1008}
    return json.dumps({"logics_data": {"package_info": package, "logics": [logic]}}).encode()


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
