"""A Xiaomi LYWSD03MMC with the ATC firmware in a fridge, as Theengs Gateway publishes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message

ADDRESS = "A4:C1:38:00:5E:01"
TOPIC = f"home/TheengsGateway/BTtoMQTT/{ADDRESS.replace(':', '')}"


def atc(celsius: float, humidity: int, count: int) -> bytes:
    """The service data: address, tenths, percent, battery, millivolts, a count."""
    address = bytes.fromhex(ADDRESS.replace(":", ""))
    tenths = round(celsius * 10).to_bytes(2, "big", signed=True)
    return address + tenths + bytes((humidity, 87)) + (2950).to_bytes(2, "big") + bytes((count & 0xFF,))


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - it says no time
    """Endless advertisements of one tag, the neighbours' among them."""
    celsius, humidity, count = 4.0, 60, 0
    while True:
        celsius = min(8.0, max(1.0, celsius + rng.uniform(-0.4, 0.4)))
        humidity = min(90, max(30, humidity + rng.randint(-2, 2)))
        count += 1
        said = {
            "id": ADDRESS,
            "name": "ATC_005E01",
            "rssi": -rng.randrange(50, 90),
            "servicedatauuid": "0x181a",
            "servicedata": atc(celsius, humidity, count).hex(),
        }
        if rng.random() < 0.2:
            said = {"id": "4A:00:00:00:00:01", "rssi": -80, "manufacturerdata": "4c0010051b1c00000a"}
        yield Message("mqtt", json.dumps(said).encode(), TOPIC, "application/json")
