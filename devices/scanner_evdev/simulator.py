"""A scanner that types: what the simulated scanner on a line sends, as key events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.scanner_evdev.frames import key_event
from devices.scanner_evdev.keys import CONTROLS, ENTER, PLAIN, SHIFTED, SHIFTS
from devices.scanner_serial.simulator import messages as scans
from devices.simulator import Message

_KEY_US = 4000
_SHIFT, _CONTROL = min(SHIFTS), min(CONTROLS)
_KEYS = (
    {char: (code, None) for code, char in reversed(PLAIN.items())}
    | {char: (code, _SHIFT) for code, char in SHIFTED.items() if char not in PLAIN.values()}
    | {"\x1d": (27, _CONTROL)}
)


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless scans, each ended by Enter."""
    for said in scans(rng, at, step):
        yield Message("input", keystrokes(said.body.decode().rstrip("\r"), round(at.timestamp() * 1_000_000)))
        at += step


def keystrokes(text: str, at: int) -> bytes:
    """The events of a scanner that types `text` and Enter; at: microseconds of the first."""
    events = bytearray()
    for char in text:
        code, held = _KEYS[char]
        around = [(held, 1), (code, 1), (code, 0), (held, 0)] if held else [(code, 1), (code, 0)]
        for key, value in around:
            events += key_event(at, key or 0, value)
            at += _KEY_US
    return bytes(events + key_event(at, ENTER, 1) + key_event(at + _KEY_US, ENTER, 0))
