"""A meter of a shop: answers who reads its energy, which grows as the shop's lights and fridges use it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.dlt645.frames import ANY, ENERGY, READ, FrameParser, frame, question
from devices.framing import Noise
from devices.simulator import Message

ADDRESS = "202611210001"
_ANSWER, _REFUSAL = 0x80, 0x40
_NO_SUCH_DATA = 2


class Meter:
    """One meter on the line; speaks both editions. Says nothing to questions for others."""

    def __init__(self, address: str, rng: Random) -> None:
        self._address = address
        self._rng = rng
        self._hundredths = rng.randrange(100_000, 9_000_000)
        self._parser = FrameParser()

    def hear(self, data: bytes) -> bytes:
        """What it answers to what was said on the line."""
        asked = [found for found in self._parser.feed(data) if not isinstance(found, Noise)]
        mine = [found for found in asked if found.address in (self._address, ANY)]
        return b"".join(self._answer(found.control, found.data) for found in mine if found.control in READ.values())

    def _answer(self, control: int, asked: bytes) -> bytes:
        wake = b"\xfe" * 4
        if asked not in [identifier.to_bytes(size, "little") for identifier, size in ENERGY.values()]:
            return wake + frame(self._address, control | _ANSWER | _REFUSAL, bytes((_NO_SUCH_DATA,)))
        self._hundredths += self._rng.randrange(0, 120)
        total = bytes.fromhex(f"{self._hundredths:08d}")[::-1]
        return wake + frame(self._address, control | _ANSWER, asked + total)


def answerer(rng: Random) -> Meter:
    """What `edge-agent simulate` plays."""
    return Meter(ADDRESS, rng)


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - frames carry no time
    """Endless questions, each with its answer, as a listener on the line hears them."""
    meter, asked = answerer(rng), question(ADDRESS, "2007")
    while True:
        yield Message("serial", asked + meter.hear(asked))
