"""Messages of Protocol Buffers, to change some fields of and leave all others as they are.

A message is a list of fields in any order, those of one number among themselves in theirs. Before each stands a varint
of its number and its kind: 0 a varint, 1 eight bytes, 2 a varint's length of bytes, 5 four bytes.
Source: Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

_VARINT, _BYTES = 0, 2
_SIZES = {1: 8, 5: 4}


class Field(NamedTuple):
    """value: an unsigned number of a varint, else bytes"""

    number: int
    kind: int
    value: int | bytes


Message = list[Field]


class NoMessage(ValueError):
    """The bytes are no message."""


def parse(data: bytes) -> Message:
    """`NoMessage` where a field is of no known kind or longer than what is there."""
    fields, at = [], 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            fields.append(Field(number, kind, value))
            continue
        if kind != _BYTES and kind not in _SIZES:
            raise NoMessage(f"a field of kind {kind} before byte {at}")
        size, at = _varint(data, at) if kind == _BYTES else (_SIZES[kind], at)
        if at + size > len(data):
            raise NoMessage(f"a field of {size} bytes at byte {at} of {len(data)}")
        fields.append(Field(number, kind, data[at : at + size]))
        at += size
    return fields


def encode(message: Message) -> bytes:
    return b"".join(_encoded(field) for field in message)


def parts(message: Message, number: int) -> list[bytes]:
    """The values of each field of that number which holds bytes, text or a message."""
    return [field.value for field in message if field.number == number and isinstance(field.value, bytes)]


def integers(message: Message, number: int) -> list[int]:
    """The varints of that number, each by itself or packed."""
    found: list[int] = []
    for field in message:
        if field.number == number and isinstance(field.value, int):
            found.append(field.value)
        elif field.number == number and isinstance(field.value, bytes):
            at = 0
            while at < len(field.value):
                value, at = _varint(field.value, at)
                found.append(value)
    return found


def put(message: Message, number: int, values: Iterable[int | bytes]) -> Message:
    """The message with these instead of its fields of that number."""
    others = [field for field in message if field.number != number]
    return others + [Field(number, _VARINT if isinstance(value, int) else _BYTES, value) for value in values]


def dug(data: bytes, path: Sequence[int]) -> list[bytes]:
    """The parts at the end of a path of numbers, from a message into those within it."""
    found = [data]
    for number in path:
        found = [part for within in found for part in parts(parse(within), number)]
    return found


def grafted(data: bytes, path: Sequence[int], values: Iterable[int | bytes]) -> bytes:
    """The message with these at the end of a path on which each but the last number stands once."""
    message = parse(data)
    if len(path) > 1:
        (within,) = parts(message, path[0])
        values = [grafted(within, path[1:], values)]
    return encode(put(message, path[0], values))


def _encoded(field: Field) -> bytes:
    key = _written(field.number << 3 | field.kind)
    if isinstance(field.value, int):
        return key + _written(field.value)
    return key + (_written(len(field.value)) if field.kind == _BYTES else b"") + field.value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, the highest bit set in all but the last; and where it ends."""
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise NoMessage(f"a number without an end at byte {at}")


def _written(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
