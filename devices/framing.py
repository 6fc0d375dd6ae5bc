"""Frames in a line's bytes, found again after every disturbance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

MAX_NOISE = 4096  # bytes of a stretch of noise that are kept together

F = TypeVar("F")
Size = Callable[[bytearray, int], int | None]


class Noise(NamedTuple):
    """A stretch of bytes that belongs to no good frame."""

    reason: str
    raw: bytes


class Framing(Generic[F]):
    """Bytes in, frames and noise out. Opens no port, reads no clock, raises nothing.

    size: length of the good frame that begins at a place of a buffer, where there is at least one byte; 0 for none,
    None while there are too few bytes to tell. frame: what the bytes of a good frame say. noise: what a stretch of
    others is to be called; None where it is nothing worth telling.
    """

    def __init__(self, size: Size, frame: Callable[[bytes], F], noise: Callable[[bytes], Noise | None]) -> None:
        self._size, self._frame, self._noise = size, frame, noise
        self._buffer = bytearray()
        self._stretch = bytearray()

    def feed(self, data: bytes) -> list[F | Noise]:
        self._buffer += data
        found: list[F | Noise] = []
        place = 0
        while place < len(self._buffer) and (size := self._size(self._buffer, place)) is not None:
            if size:
                found += self._told_noise()
                found.append(self._frame(bytes(self._buffer[place : place + size])))
                place += size
                continue
            found += self._drop(self._buffer[place])  # a false start: look for the next one
            place += 1
        del self._buffer[:place]
        return found

    def end(self) -> list[F | Noise]:
        """What is left when nothing more comes: noise, half a frame, and the frames that it seemed to hold back."""
        found: list[F | Noise] = []
        while self._buffer:
            found += self._drop(self._buffer.pop(0))
            found += self.feed(b"")
        return found + self._told_noise()

    def _drop(self, byte: int) -> list[F | Noise]:
        self._stretch.append(byte)
        return self._told_noise() if len(self._stretch) == MAX_NOISE else []

    def _told_noise(self) -> list[F | Noise]:
        noise = self._noise(bytes(self._stretch)) if self._stretch else None
        self._stretch.clear()
        return [noise] if noise else []
