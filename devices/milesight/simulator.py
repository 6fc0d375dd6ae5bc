"""What a gateway forwards of a VS133 over a door: its totals and the counts of its period, in one uplink."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from devices.simulator import Message

_EUI = "24E124716B000001"


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless uplinks, a `step` apart."""
    frame, total = 0, (4000, 3900)
    while True:
        people = min(rng.randrange(8), rng.randrange(8)), min(rng.randrange(8), rng.randrange(8))
        frame, total = frame + 1, (total[0] + people[0], total[1] + people[1])
        yield Message("push", uplink(frame, at, payload(total, people)), content_type="application/json")
        at += step


def payload(total: tuple[int, int], period: tuple[int, int]) -> bytes:
    """Line 1: totals and period, as (in, out)."""
    whole = b"\x03\xd2" + struct.pack("<I", total[0]) + b"\x04\xd2" + struct.pack("<I", total[1])
    return whole + b"\x05\xcc" + struct.pack("<HH", *period)


def uplink(frame: int, at: datetime, data: bytes) -> bytes:
    """As a Milesight gateway words it."""
    document = {
        "applicationID": 1,
        "devEUI": _EUI,
        "deviceName": "door",
        "time": at.astimezone(UTC).isoformat(),
        "fCnt": frame,
        "fPort": 85,
        "data": b64encode(data).decode(),
    }
    return json.dumps(document).encode()
