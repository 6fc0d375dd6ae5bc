"""Modbus RTU: bytes of a bus to frames, whoever sent them.

    address | function | data … | CRC-16 (reflected 8005, start FFFF), low byte first

Questions and answers of one function differ only in length, and nothing but the CRC says where a frame ends:

- a question 01 to 06, and the answer to a write: 8 bytes
- an answer 01 to 04: 5 bytes more than its third byte, the count of data bytes
- a question 0F or 10: 9 bytes more than its seventh byte
- an error answer, the function with its top bit set: 5 bytes

`01 03 00 00 00 02 C4 0B` asks slave 1 for 2 holding registers from 0; `01 03 04 02 92 FF 9B 5A 3D` answers 0292 FF9B.
Source: MODBUS over Serial Line, Specification and Implementation Guide V1.02.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from devices.framing import Framing, Noise

_READS = (1, 2, 3, 4)
_REGISTERS = (3, 4)
_WRITES = (5, 6)
_MANY = (15, 16)
_ERROR = 0x80
_LAST_SLAVE = 247


class Question(NamedTuple):
    """Someone asks `slave` for `number` registers from `first`."""

    slave: int
    function: int
    first: int
    number: int
    raw: bytes


class Answer(NamedTuple):
    """`slave` says what is in the registers."""

    slave: int
    function: int
    data: bytes
    raw: bytes


class Refusal(NamedTuple):
    """`slave` answers that it cannot; `code`: its exception code."""

    slave: int
    function: int
    code: int
    raw: bytes


class Other(NamedTuple):
    """Bits are read, or something is written: no registers' content."""

    raw: bytes


Frame = Question | Answer | Refusal | Other


def crc(data: bytes) -> bytes:
    """The two bytes that end a frame of `data`."""
    value = 0xFFFF
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def question(slave: int, function: int, first: int, count: int) -> bytes:
    """The frame that asks for `count` registers from `first`."""
    body = bytes((slave, function)) + first.to_bytes(2, "big") + count.to_bytes(2, "big")
    return body + crc(body)


class RtuParser(Framing[Frame]):
    """Bytes in, frames and noise out. Opens no port, reads no clock, raises nothing."""

    def __init__(self) -> None:
        super().__init__(_size, _frame, _noise)


def _frame(raw: bytes) -> Frame:
    """What a frame with a right CRC says."""
    slave, function = raw[:2]
    if function & _ERROR:
        return Refusal(slave, function & ~_ERROR, raw[2], raw)
    if function not in _REGISTERS:
        return Other(raw)
    if len(raw) == 8:
        return Question(slave, function, int.from_bytes(raw[2:4], "big"), int.from_bytes(raw[4:6], "big"), raw)
    return Answer(slave, function, raw[3:-2], raw)


def _size(buffer: bytearray, place: int) -> int | None:
    """Length of the good frame that begins at `place`, 0 for none; None while there are too few bytes to tell."""
    there = len(buffer) - place
    if buffer[place] > _LAST_SLAVE:
        return 0
    if there < 3:
        return None if there < 2 or _may_be_frame(buffer[place + 1]) else 0
    for size in _sizes(buffer, place):
        if size is None or there < size:
            return None
        if crc(bytes(buffer[place : place + size - 2])) == buffer[place + size - 2 : place + size]:
            return size
    return 0


def _may_be_frame(function: int) -> bool:
    return (function & ~_ERROR) in (*_READS, *_WRITES, *_MANY)


def _sizes(buffer: bytearray, place: int) -> Sequence[int | None]:
    """Lengths that a frame there may have, shortest first; None is one that is not yet known."""
    function, third = buffer[place + 1], buffer[place + 2]
    if not _may_be_frame(function):
        return []
    if function & _ERROR:
        return [5]
    if function in _READS:  # registers come in pairs of bytes
        return sorted([8, third + 5]) if third and (function < 3 or third % 2 == 0) else [8]
    if function in _MANY:
        return [8, 9 + buffer[place + 6] if len(buffer) - place > 6 else None]
    return [8]


def _noise(stretch: bytes) -> Noise:
    if len(stretch) > 4 and stretch[0] <= _LAST_SLAVE and _may_be_frame(stretch[1]):
        return Noise("wrong CRC or half a frame", stretch)
    return Noise("no Modbus frame; check baudrate, parity and cable", stretch)


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xA001 if byte & 1 else 0)
    return byte


_TABLE = tuple(_crc_of(byte) for byte in range(256))
