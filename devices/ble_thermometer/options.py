"""Settings of `ble-thermometer`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from devices.options import MqttOptions
from devices.thermometer_options import ProbeOptions, ThermometerOptions


def short(address: str) -> str:
    """How a tag is called: the last six digits of its address; what is no address stays as it is."""
    digits = address.replace(":", "").replace("-", "").lower()
    return digits[-6:] if re.fullmatch("[0-9a-f]{12}", digits) else address.lower()


def _shortened(probes: object) -> object:
    if not isinstance(probes, list | tuple):
        return probes
    return [
        entry | {"id": short(entry["id"])} if isinstance(entry, dict) and isinstance(entry.get("id"), str) else entry
        for entry in probes
    ]


class Options(MqttOptions, ThermometerOptions):
    """Bluetooth tags heard by a gateway that publishes to a broker in the store."""

    topics: tuple[str, ...] = Field(
        ("home/+/BTtoMQTT/#",), min_length=1, description="topics to subscribe to, as the gateway publishes"
    )
    interval_s: float = Field(
        60, ge=0, le=3600, description="seconds in which a tag is told once, however often it says"
    )
    valid_max_c: float = Field(
        300, ge=-273, le=1000, description="°C above which a reading cannot be true; meat probes"
    )
    probes: Annotated[tuple[ProbeOptions, ...], BeforeValidator(_shortened)] = Field(
        (), description="tags by address; with any listed, no other is heard"
    )
