"""Packets of ZKTeco's TCP protocol.

    50 50 82 7D | length, 4 bytes | command | checksum | session | reply number | data …

All numbers are little-endian; length counts what follows it; command to reply number have 2 bytes each. checksum: one's
complement of the sum of all 16-bit words from the command on but itself, carries folded in. An answer has its
question's reply number. Events come unasked as command 500, with the kind of event in place of the session.
Sources: descriptions of the protocol that its users published, packets of an F19.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

START = b"\x50\x50\x82\x7d"
_HEAD = len(START) + 4
_LEAST = 8
LONGEST = 4 * 1024 * 1024  # bytes after the length; terminals keep some 4 MB of punches

CONNECT, EXIT, AUTH = 1000, 1001, 1102
OPTION, SIZES, GET_TIME = 11, 50, 201
READ, READ_PART, FREE = 1503, 1504, 1502
PREPARE, DATA = 1500, 1501
EVENT = 500
OK, UNKNOWN, REFUSED = 2000, 65535, 2005
ATTENDANCE = 13
PUNCHED = 1  # the kind of event


class Packet(NamedTuple):
    """session: of an event, its kind."""

    command: int
    session: int
    reply: int
    data: bytes


class Noise(NamedTuple):
    """How many bytes belong to no packet, and why; what they are is not kept, since they may name people."""

    reason: str


def packet(command: int, session: int, reply: int, data: bytes = b"") -> bytes:
    """The bytes that say so."""
    body = struct.pack("<HHHH", command, 0, session, reply) + data
    return START + struct.pack("<IHH", len(body), command, checksum(body)) + body[4:]


def checksum(body: bytes) -> int:
    """Of command, a checksum that does not count, session, reply number and data."""
    words = body[:2] + body[4:] + bytes(len(body) % 2)
    total: int = sum(struct.unpack(f"<{len(words) // 2}H", words))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class PacketParser:
    """Bytes in, packets and noise out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped = 0
        self._wrong = 0  # packets with a wrong checksum among what was skipped

    def feed(self, data: bytes) -> list[Packet | Noise]:
        self._buffer += data
        found: list[Packet | Noise] = []
        while (size := self._whole()) is not None:
            if size:
                found += self._told_noise()
                body = bytes(self._buffer[_HEAD:size])
                found.append(_packet(body))
            self._drop(size)
        return found

    def end(self) -> list[Packet | Noise]:
        """What is left when nothing more comes: half a packet, and the packets that it seemed to hold back."""
        found: list[Packet | Noise] = []
        while self._buffer:
            self._skipped += 1
            del self._buffer[:1]
            found += self.feed(b"")
        return found + self._told_noise()

    def _whole(self) -> int | None:
        """Length of the good packet that begins the buffer, 0 for none; None while there are too few bytes to tell."""
        begun = self._buffer[:_HEAD]
        if not begun or (len(begun) < _HEAD and START.startswith(begun[: len(START)])):
            return None
        if not begun.startswith(START):
            return 0
        (length,) = struct.unpack_from("<I", begun, len(START))
        if not _LEAST <= length <= LONGEST:
            return 0
        if len(self._buffer) < _HEAD + length:
            return None
        body = bytes(self._buffer[_HEAD : _HEAD + length])
        if checksum(body) == struct.unpack_from("<H", body, 2)[0]:
            return _HEAD + len(body)
        self._wrong += 1
        return 0

    def _drop(self, size: int) -> None:
        """Takes a packet off, or what cannot begin one."""
        if size:
            del self._buffer[:size]
            return
        place = self._buffer.find(START[:1], 1)
        skipped = place if place > 0 else len(self._buffer)
        self._skipped += skipped
        del self._buffer[:skipped]

    def _told_noise(self) -> list[Packet | Noise]:
        skipped, wrong = self._skipped, self._wrong
        self._skipped = self._wrong = 0
        if not skipped:
            return []
        what = "a packet with a wrong checksum" if wrong else "no packet"
        return [Noise(f"{what}, {skipped} bytes; they are not kept, since they may name people")]


def _packet(body: bytes) -> Packet:
    command, session, reply = struct.unpack_from("<HxxHH", body)
    return Packet(command, session, reply, body[_LEAST:])
