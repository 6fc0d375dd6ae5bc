"""What a counting camera over a door pushes: every minute what its interval counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from devices.simulator import Message

_SERIAL = "accc8e000001"


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless intervals of a `step`, which is a minute at least: the camera knows no shorter one."""
    step = max(step, timedelta(minutes=1))
    inside = 0
    while True:
        enter = min(rng.randrange(8), rng.randrange(8))
        leave = rng.randint(0, min(inside + enter, 8))
        inside += enter - leave
        yield Message("push", push(at, at + step, enter, leave), content_type="application/json")
        at += step


def push(begin: datetime, end: datetime, enter: int, leave: int) -> bytes:
    """One interval, as the camera words it."""
    times = {
        "utcFrom": _utc(begin),
        "utcTo": _utc(end),
        "localFrom": begin.strftime("%Y-%m-%dT%H:%M:%S"),
        "localTo": end.strftime("%Y-%m-%dT%H:%M:%S"),
    }
    people = [{"direction": way, "count": count, "adults": 0} for way, count in (("in", enter), ("out", leave))]
    document = {
        "apiName": "Axis Retail Data",
        "apiVersion": "0.4",
        "utcSent": _utc(end),
        "data": {**times, "measurements": [{"kind": "people-counts", **times, "items": people}]},
        "sensor": {"application": "AXIS 3D People Counter", "name": f"axis-{_SERIAL}", "serial": _SERIAL},
    }
    return json.dumps(document).encode()


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
