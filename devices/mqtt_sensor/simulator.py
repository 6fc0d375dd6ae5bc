"""A Zigbee thermometer in a fridge, as Zigbee2MQTT publishes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message

TOPIC = "zigbee2mqtt/fridge-1"


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - it says no time
    """Endless messages of one sensor."""
    celsius, humidity = 4.0, 60.0
    while True:
        celsius = min(8.0, max(1.0, celsius + rng.uniform(-0.4, 0.4)))
        humidity = min(90.0, max(30.0, humidity + rng.uniform(-2, 2)))
        said = {
            "battery": 91,
            "humidity": round(humidity, 2),
            "linkquality": rng.randrange(10, 200),
            "temperature": round(celsius, 2),
            "voltage": 2985,
        }
        yield Message("mqtt", json.dumps(said).encode(), TOPIC, "application/json")
