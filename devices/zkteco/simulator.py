"""A time clock beside the staff room: people come and go, and it tells its log to who asks."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from devices.simulator import Message
from devices.zkteco.frames import (
    AUTH,
    CONNECT,
    DATA,
    EXIT,
    FREE,
    GET_TIME,
    OK,
    OPTION,
    PREPARE,
    READ,
    READ_PART,
    REFUSED,
    SIZES,
    UNKNOWN,
    Packet,
    PacketParser,
    packet,
)
from devices.zkteco.log import HEAD, seconds_of
from devices.zkteco.session import scrambled

SERIAL = "CKUH210060001"
_SESSION = 0x51A2
_SMALL = 1000  # bytes of a table that is told at once
_STAFF = ("101", "102", "103", "204", "205")


def record(number: int, person: str, at: datetime, state: int, method: int) -> bytes:
    """A punch of the terminal's local time, in the form of 40 bytes."""
    return struct.pack("<H24sBIB8s", number & 0xFFFF, person.encode(), method, seconds_of(at), state, b"\0\0\0\0\xff")


class Terminal:
    """Answers as a terminal does. key: its communication key, 0 for none; clock: what it believes the time is.

    `log`: its records; `form`: their length; whoever plays with it may add to it or clear it.
    """

    def __init__(self, log: Sequence[bytes], clock: datetime, key: int = 0) -> None:
        self.log = list(log)
        self.clock = clock
        self._key = key
        self._held = b""
        self._known = False
        self._parser = PacketParser()

    def hear(self, data: bytes) -> bytes:
        found = (one for one in self._parser.feed(data) if isinstance(one, Packet))
        return b"".join(self._answer(one) for one in found)

    def _answer(self, asked: Packet) -> bytes:
        if asked.command == CONNECT:
            self._known = not self._key
            return self._say(asked, OK if self._known else REFUSED)
        if asked.command == AUTH:
            self._known = asked.data == scrambled(self._key, _SESSION)
            return self._say(asked, OK if self._known else REFUSED)
        if not self._known:
            return self._say(asked, REFUSED)
        if asked.command == READ_PART:
            return self._part(asked)
        return self._say(asked, *self._told(asked))

    def _told(self, asked: Packet) -> tuple[int, bytes]:
        match asked.command:
            case value if value == OPTION:
                return OK, asked.data.rstrip(b"\0") + b"=" + SERIAL.encode() + b"\0"
            case value if value == SIZES:
                return OK, struct.pack("<8I", *range(8)) + struct.pack("<I", len(self.log)) + bytes(44)
            case value if value == GET_TIME:
                return OK, struct.pack("<I", seconds_of(self.clock))
            case value if value == READ:
                return self._read()
            case value if value in (FREE, EXIT):
                self._held = b""
                return OK, b""
        return UNKNOWN, b""

    def _read(self) -> tuple[int, bytes]:
        whole = b"".join(self.log)
        self._held = len(whole).to_bytes(HEAD, "little") + whole
        if len(self._held) < _SMALL:
            return DATA, self._held
        return OK, struct.pack("<xIII", len(self._held), len(self._held), 0)

    def _part(self, asked: Packet) -> bytes:
        begin, size = struct.unpack("<II", asked.data[:8])
        part = self._held[begin : begin + size]
        pieces = (part[place : place + 16_384] for place in range(0, len(part), 16_384))
        said = b"".join(self._say(asked, DATA, piece) for piece in pieces)
        return self._say(asked, PREPARE, struct.pack("<II", len(part), 0)) + said + self._say(asked, OK)

    def _say(self, asked: Packet, command: int, data: bytes = b"") -> bytes:
        return packet(command, _SESSION, asked.reply, data)


def _punches(rng: Random, at: datetime, step: timedelta) -> Iterator[bytes]:
    """Records of people who come and go, the first at `at`."""
    inside: set[str] = set()
    number = 0
    while True:
        number += 1
        person = rng.choice(_STAFF)
        yield record(number, person, at, int(person in inside), rng.choice((1, 1, 4, 15)))
        inside ^= {person}
        at += step


def answerer(rng: Random) -> Terminal:
    """What `edge-agent simulate` plays: a terminal in UTC that has a month behind it; a punch more at each question."""
    now = datetime.now(UTC).replace(tzinfo=None)
    punches = _punches(rng, now - timedelta(days=30), timedelta(minutes=97))
    return _Growing([next(punches) for _ in range(400)], now, rng)


class _Growing(Terminal):
    """One at which somebody punches before every question for its counts."""

    def __init__(self, log: Sequence[bytes], clock: datetime, rng: Random) -> None:
        super().__init__(log, clock)
        self._rng = rng

    def _told(self, asked: Packet) -> tuple[int, bytes]:
        self.clock = datetime.now(UTC).replace(tzinfo=None)
        if asked.command == SIZES:
            self.log.append(record(len(self.log) + 1, self._rng.choice(_STAFF), self.clock, self._rng.randrange(2), 1))
        return super()._told(asked)


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless logs of a few punches, each with the question for it, as a listener on the network hears them."""
    punches = _punches(rng, at.replace(tzinfo=None, microsecond=0), step)
    while True:
        log = b"".join(next(punches) for _ in range(3))
        asked = packet(READ, _SESSION, 7, bytes.fromhex("010d000000000000000000"))
        yield Message("tcp", asked + packet(DATA, _SESSION, 7, len(log).to_bytes(HEAD, "little") + log))
