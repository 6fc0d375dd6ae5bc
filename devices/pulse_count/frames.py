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
    """A line that tells no counts."""

    raw: bytes


class SampleParser:
    """Bytes in, samples out, the same however the bytes are cut. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._line = bytearray()

    def feed(self, data: bytes) -> list[Sample | Noise]:
        found: list[Sample | Noise] = []
        for byte in re.split(rb"(?<=\n)", data):
            self._line += byte
            while len(self._line) > _LONGEST or self._line.endswith(b"\n"):
                found += self._taken()
        return found

    def end(self) -> list[Sample | Noise]:
        """What is left: half a line."""
        return self._taken()

    def _taken(self) -> list[Sample | Noise]:
        line = bytes(self._line[:_LONGEST])
        del self._line[:_LONGEST]
        if not line.strip():
            return []
        told = _TEXT.fullmatch(line.strip()) if line.endswith(b"\n") else None
        if told is None:
            return [Noise(line)]
        ms, cts, dsr, ri, dcd, levels = map(int, told.groups())
        return [Sample(ms, (cts, dsr, ri, dcd), levels)] if levels < 16 else [Noise(line)]
