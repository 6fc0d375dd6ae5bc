"""What the relay tells the agent over its Unix socket: a greeting, then frames; the agent answers what it has stored.

    greeting   8 bytes that tell one run of the relay from another
    frame      kind (1), connection (4), sequence (8), microseconds since 1970 (8), length (4), then so many bytes
    answer     sequence (8): this frame and all before it are on disk

Numbers are big-endian. A frame that is not answered is sent again to the next agent that connects. This module is all
that relay and agent share; it imports nothing of ours.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

DATA, CLOSED, LOST = b"D", b"C", b"L"
"""Bytes that the till sent; the end of its connection; how many bytes of frames there was no room for, as a number."""

HEADER = struct.Struct(">cIQQI")
ANSWER = struct.Struct(">Q")
GREETING = 8


class Frame(NamedTuple):
    kind: bytes
    connection: int
    sequence: int
    micros: int
    data: bytes


def packed(frame: Frame) -> bytes:
    return HEADER.pack(frame.kind, frame.connection, frame.sequence, frame.micros, len(frame.data)) + frame.data


def unpacked(buffer: bytes | bytearray, place: int) -> tuple[Frame, int] | None:
    """The frame that begins at `place` and where the next one does; None when it is not all there."""
    if len(buffer) < place + HEADER.size:
        return None
    kind, connection, sequence, micros, length = HEADER.unpack_from(buffer, place)
    end = place + HEADER.size + length
    if len(buffer) < end:
        return None
    return Frame(kind, connection, sequence, micros, bytes(buffer[place + HEADER.size : end])), end
