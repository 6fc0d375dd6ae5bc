"""Copies in memory that two processes share: a ring of frames, the oldest of which make room.

    head, tail (8 bytes each): positions since the start; lost (8): bytes given up since last told; sequence (8)

Frames lie between tail and head, modulo the size. A frame counts when `head` has moved behind it, so a writer that is
killed in mid-frame leaves nothing behind. One process writes at a time.
"""

from __future__ import annotations

import mmap
import struct

from devices.escpos_tap.tee_frames import ANSWER, HEADER, LOST, Frame, packed

_HEAD, _TAIL, _LOST, _SEQUENCE = 0, 8, 16, 24
_START = 32
_NUMBER = struct.Struct("<Q")


class Ring:
    """room: bytes. Lives as long as one process that was forked from its maker."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._memory = mmap.mmap(-1, _START + room)

    @property
    def head(self) -> int:
        return self._number(_HEAD)

    @property
    def tail(self) -> int:
        return self._number(_TAIL)

    def append(self, kind: bytes, connection: int, micros: int, data: bytes) -> None:
        """Keeps a frame, at the cost of the oldest where there is no room."""
        if self._number(_LOST) and self._fits(HEADER.size * 2 + ANSWER.size + len(data)):
            lost = self._number(_LOST)
            self._put(LOST, 0, micros, ANSWER.pack(lost))
            self._set(_LOST, 0)
        if HEADER.size + len(data) > self._room:
            self._set(_LOST, self._number(_LOST) + len(data))
            return
        while not self._fits(HEADER.size + len(data)):
            self._drop()
        self._put(kind, connection, micros, data)

    def frame(self, place: int) -> bytes:
        """The frame that begins at `place`; empty at `head`. What was dropped meanwhile is skipped."""
        return self._at(place, self._frame(place)[1]) if place < self.head else b""

    def first_after(self, sequence: int) -> int:
        """Where the first frame behind that sequence begins."""
        place = self.tail
        while place < self.head:
            told, length = self._frame(place)
            if told > sequence:
                break
            place += length
        return place

    def forget(self, place: int) -> None:
        """Frames before `place` are stored elsewhere."""
        if self.tail < place <= self.head:
            self._set(_TAIL, place)

    def _fits(self, size: int) -> bool:
        return self.head - self.tail + size <= self._room

    def _drop(self) -> None:
        _, length = self._frame(self.tail)
        self._set(_LOST, self._number(_LOST) + length - HEADER.size)
        self._set(_TAIL, self.tail + length)

    def _put(self, kind: bytes, connection: int, micros: int, data: bytes) -> None:
        sequence = self._number(_SEQUENCE) + 1
        self._set(_SEQUENCE, sequence)
        frame = packed(Frame(kind, connection, sequence, micros, data))
        place = self.head % self._room
        first = frame[: self._room - place]
        self._memory[_START + place : _START + place + len(first)] = first
        self._memory[_START : _START + len(frame) - len(first)] = frame[len(first) :]
        self._set(_HEAD, self.head + len(frame))

    def _frame(self, place: int) -> tuple[int, int]:
        """Sequence and whole length of the frame at `place`."""
        _, _, sequence, _, length = HEADER.unpack(self._at(place, HEADER.size))
        return sequence, HEADER.size + length

    def _at(self, place: int, length: int) -> bytes:
        place %= self._room
        first = self._memory[_START + place : _START + min(place + length, self._room)]
        return first + self._memory[_START : _START + length - len(first)]

    def _number(self, place: int) -> int:
        return int(_NUMBER.unpack_from(self._memory, place)[0])

    def _set(self, place: int, value: int) -> None:
        _NUMBER.pack_into(self._memory, place, value)
