"""A conversation with a terminal: log in, ask, read parts of its log.

1000 connect → 2000, or 2005 where it wants the communication key → 1102 key → 2000
11 "~SerialNumber" → 2000 "~SerialNumber=…"        50 → 2000 with counts        201 → 2000 with the time
1503 01 0D → 1501 with all of the log, or 2000 with its length in bytes 1 to 4 → 1504 from, length (as often as
needed) → 1500, 1501 …, 2000 → 1502
"""

from __future__ import annotations

import struct
import time
from collections import deque
from contextlib import suppress
from datetime import datetime

from devices.driver import DeviceOffline
from devices.tcp_client import TcpClient
from devices.zkteco.frames import (
    ATTENDANCE,
    AUTH,
    CONNECT,
    DATA,
    EVENT,
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
    Packet,
    PacketParser,
    packet,
)
from devices.zkteco.log import when

_MOST = 32 * 1024 * 1024  # bytes of a log
_PART = 0xFFC0  # bytes that a terminal gives at once
_COUNT_AT = 32  # of punches, in the answer to SIZES
_TICKS = 50


class Session:
    """Asks one question at a time; every failure is `DeviceOffline`. key: the communication key, 0 for none."""

    def __init__(self, client: TcpClient, key: int, timeout_s: float) -> None:
        self._client = client
        self._key = key
        self._timeout_s = timeout_s
        self._begin()

    def _begin(self) -> None:
        self._parser = PacketParser()
        self._waiting: deque[Packet] = deque()
        self._session = 0
        self._reply = 0xFFFF

    def open(self) -> None:
        """Connected and logged in."""
        self._begin()
        self._client.open()
        answer = self._ask(CONNECT)
        self._session = answer.session
        if answer.command == REFUSED:
            answer = self._ask(AUTH, scrambled(self._key, self._session))
        if answer.command != OK:
            raise self._client.offline("the terminal refuses; put its communication key into key_file")

    def close(self) -> None:
        """Hangs up, with a word where the terminal still listens: it has few sessions."""
        if self._session:
            with suppress(DeviceOffline):  # it may be gone already
                self._send(EXIT, b"")
        self._session = 0
        self._client.close()

    def serial(self) -> str:
        """The terminal's serial number; empty where it tells none."""
        answer = self._ask(OPTION, b"~SerialNumber\x00")
        text = answer.data.split(b"\x00")[0].partition(b"=")[2]
        return text.decode("ascii", "replace").strip()

    def count(self) -> int:
        """How many punches it keeps."""
        answer = self._ask(SIZES)
        if answer.command != OK or len(answer.data) < _COUNT_AT + 4:
            raise self._client.offline("the terminal does not say how many punches it has; is it a ZKTeco?")
        return int(struct.unpack_from("<I", answer.data, _COUNT_AT)[0])

    def clock(self) -> datetime | None:
        """Its local time; None where it tells none."""
        answer = self._ask(GET_TIME)
        return when(struct.unpack_from("<I", answer.data)[0]) if len(answer.data) >= 4 else None

    def log(self) -> Held:
        """Makes the terminal hold its log still, to read from."""
        answer = self._ask(READ, struct.pack("<BHII", 1, ATTENDANCE, 0, 0))
        if answer.command == DATA:
            return Held(self, len(answer.data), answer.data)
        if answer.command != OK or len(answer.data) < 5:
            raise self._client.offline("the terminal does not give its punches; check its firmware")
        size = struct.unpack_from("<I", answer.data, 1)[0]
        if size > _MOST:
            raise self._client.offline(f"the terminal says that its punches have {size} bytes")
        return Held(self, int(size), None)

    def part(self, begin: int, size: int) -> bytes:
        """That part of the log which is held still."""
        self._send(READ_PART, struct.pack("<II", begin, size))
        found = bytearray()
        while len(found) < size:
            answer = self._answer()
            if answer.command == DATA:
                found += answer.data
            elif answer.command != PREPARE:
                break
        if len(found) != size:
            raise self._client.offline(f"the terminal gave {len(found)} of {size} bytes of its punches")
        return bytes(found)

    def free(self) -> None:
        """Lets the log go."""
        self._ask(FREE)

    def _ask(self, command: int, data: bytes = b"") -> Packet:
        self._send(command, data)
        return self._answer()

    def _send(self, command: int, data: bytes) -> None:
        self._reply = (self._reply + 1) & 0xFFFF
        self._client.send(packet(command, self._session, self._reply, data))

    def _answer(self) -> Packet:
        """The next packet that answers; events and answers to older questions are passed over."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            while self._waiting:
                found = self._waiting.popleft()
                if found.command != EVENT and found.reply == self._reply:
                    return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._client.offline("no ZKTeco answers there in time; check host and port")
            heard = self._parser.feed(self._client.receive(left))
            self._waiting.extend(found for found in heard if isinstance(found, Packet))


class Held:
    """A log that is held still. size: of all of it, its own length's 4 bytes included."""

    def __init__(self, session: Session, size: int, known: bytes | None) -> None:
        self._session = session
        self._known = known
        self.size = size

    def part(self, begin: int, end: int) -> bytes:
        """Bytes `begin` to `end`, asked for in parts that the terminal can give."""
        if self._known is not None:
            return self._known[begin:end]
        starts = range(begin, end, _PART)
        return b"".join(self._session.part(start, min(_PART, end - start)) for start in starts)

    def close(self) -> None:
        """Lets it go, where the terminal holds it."""
        if self._known is None:
            self._session.free()


def scrambled(key: int, session: int) -> bytes:
    """The communication key as the terminal wants to hear it in that session."""
    turned = int(f"{key & 0xFFFFFFFF:032b}"[::-1], 2)
    mixed = bytes(a ^ b for a, b in zip(struct.pack("<I", (turned + session) & 0xFFFFFFFF), b"ZKSO", strict=True))
    one, two, _, four = mixed[2:] + mixed[:2]
    return bytes((one ^ _TICKS, two ^ _TICKS, _TICKS, four ^ _TICKS))
