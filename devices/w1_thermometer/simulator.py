"""A DS18B20 in a freezer, as the kernel would show it; now and then a disturbed answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message
from devices.w1_thermometer.frames import crc8

PROBE = "28-0316a2799e4f"


def text(celsius: float, *, good: bool = True) -> bytes:
    """The two lines of its file."""
    raw = round(celsius * 16)
    pad = raw.to_bytes(2, "little", signed=True) + bytes((0x4B, 0x46, 0x7F, 0xFF, 0x0C - (raw & 3), 0x10))
    crc = crc8(pad) ^ (0 if good else 0x55)
    shown = " ".join(f"{byte:02x}" for byte in (*pad, crc))
    return f"{shown} : crc={crc:02x} {'YES' if good else 'NO'}\n{shown} t={raw * 1000 // 16}\n".encode()


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - the file has no time
    """Endless contents of the file."""
    celsius = -18.0
    while True:
        celsius = min(-15.0, max(-22.0, celsius + rng.uniform(-0.4, 0.4)))
        yield Message("file", text(celsius, good=rng.random() > 0.02), f"{PROBE}/w1_slave")
