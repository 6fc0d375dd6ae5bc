"""Edges of modem lines, as the kernel counts them, and as text.

    1200 4 0 0 0 1      milliseconds of any clock; edges of CTS, DSR, RI, DCD; levels, as 1 + 2 + 4 + 8 in that order

Both edges of CTS, DSR and DCD are counted, of RI one alone. Source: the manual page of TIOCMIWAIT and TIOCGICOUNT.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LINES = ("cts", "dsr", "ri", "dcd")
_TEXT = re.compile(rb"(\d{1,15}) (\d{1,10}) (\d{1,10}) (\d{1,10}) (\d{1,10}) (\d{1,2})")
_LONGEST = 256  # bytes without a line end: no board's line
MAX_NOISE = 4096  # bytes of a stretch of noise that are kept together


class Sample(NamedTuple):
    """One look at the lines. ms: of a clock that only rises; edges: since any start, by line; levels: who is high."""

    ms: int
    edges: tuple[int, int, int, int]
    levels: int

    def high(self, line: str) -> bool:
        return bool(self.levels >> LINES.index(line) & 1)

    def text(self) -> bytes:
        return " ".join(map(str, (self.ms, *self.edges, self.levels))).encode() + b"\n"


class Noise(NamedTuple):
    """A stretch that tells no counts."""

    raw: bytes


class SampleParser:
    """Bytes in, samples out, the same however the bytes are cut. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._noise = bytearray()

    def feed(self, data: bytes) -> list[Sample | Noise]:
        found: list[Sample | Noise] = []
        for piece in re.split(rb"(?<=\n)", data):
            self._line += piece
            while len(self._line) >= _LONGEST or self._line.endswith(b"\n"):
                found += self._taken()
        return found

    def end(self) -> list[Sample | Noise]:
        """What is left: noise, half a line."""
        self._noise += self._line
        self._line.clear()
        return self._told_noise()

    def _taken(self) -> list[Sample | Noise]:
        end = self._line.find(b"\n", 0, _LONGEST) + 1 or min(len(self._line), _LONGEST)
        line = bytes(self._line[:end])
        del self._line[:end]
        told = _TEXT.fullmatch(line.strip()) if line.endswith(b"\n") else None
        if told is not None and int(told[6]) < 16:
            ms, cts, dsr, ri, dcd, levels = map(int, told.groups())
            return [*self._told_noise(), Sample(ms, (cts, dsr, ri, dcd), levels)]
        self._noise += line
        return self._told_noise() if len(self._noise) > MAX_NOISE else []

    def _told_noise(self) -> list[Sample | Noise]:
        noise = bytes(self._noise)
        self._noise.clear()
        return [Noise(noise)] if noise.strip() else []
