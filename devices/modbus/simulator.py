"""A Renke transmitter in a cold room: answers questions for its two registers, as slave 1 of a bus.

`Slave` answers real questions; `messages` is what a listener on the bus hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

from devices.modbus.frames import Question, RtuParser, crc, question
from devices.simulator import Message

Registers = Callable[[int, int, int], bytes | None]
"""The content of `count` registers from `first` in the table that `function` reads; None where there are none."""

_NO_SUCH_REGISTER = 2


class Slave:
    """One device on a bus. Says nothing to questions for others."""

    def __init__(self, address: int, registers: Registers) -> None:
        self._address = address
        self._registers = registers
        self._parser = RtuParser()

    def hear(self, data: bytes) -> bytes:
        """What it answers to what was said on the bus."""
        asked = (frame for frame in self._parser.feed(data) if isinstance(frame, Question))
        return b"".join(self._answer(question) for question in asked if question.slave == self._address)

    def _answer(self, asked: Question) -> bytes:
        data = self._registers(asked.function, asked.first, asked.number)
        if data is None:
            return frame(bytes((asked.slave, asked.function | 0x80, _NO_SUCH_REGISTER)))
        return frame(bytes((asked.slave, asked.function, len(data))) + data)


def frame(body: bytes) -> bytes:
    return body + crc(body)


def cold_room(rng: Random) -> Registers:
    """Humidity and temperature that drift."""
    course = [70.0, 3.0]

    def registers(function: int, first: int, count: int) -> bytes | None:
        if function != 3 or first + count > len(course):
            return None
        course[0] = min(95.0, max(40.0, course[0] + rng.uniform(-1, 1)))
        course[1] = min(8.0, max(0.0, course[1] + rng.uniform(-0.3, 0.3)))
        words = b"".join(round(10 * value).to_bytes(2, "big", signed=True) for value in course)
        return words[2 * first : 2 * (first + count)]

    return registers


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - frames carry no time
    """Endless questions of a master, each with its answer."""
    slave, asked = answerer(rng), question(1, 3, 0, 2)
    while True:
        yield Message("serial", asked + slave.hear(asked))


def answerer(rng: Random) -> Slave:
    """What `edge-agent simulate` plays."""
    return Slave(1, cold_room(rng))
