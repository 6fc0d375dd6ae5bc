"""A printer's input cut into text, controls and commands, whatever pieces it comes in.

Real-time commands count only where a command may begin: in another command's bytes they are that command's, and in an
image they are dots. An unknown command costs its letter and no more; a command whose letter was lost (`ESC` before a
control, or before half a Chinese character) costs only the introducer. Large data is skipped as it comes, so memory is
bounded by the largest command that is kept.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from devices.escpos_tap.commands import INTRODUCERS, MORE, UNKNOWN, length_of, name_of

KEPT = 8192
"""Bytes of a command that are handed on; of a longer one the first `HEAD`."""

HEAD = 64

_TEXT = re.compile(rb"[\x20-\x7e\x80-\xff]+")


class Text(NamedTuple):
    """Bytes of characters; a character may begin in one and end in the next."""

    data: bytes


class Control(NamedTuple):
    """A control character, as its code."""

    code: int


class Command(NamedTuple):
    """`name` as manuals write it; `args`: what follows the letter."""

    name: str
    args: bytes


class Stray(NamedTuple):
    """An introducer without a command that we know."""

    name: str


Token = Text | Control | Command | Stray


class StreamParser:
    """Bytes in, tokens out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._large: Command | None = None
        self._left = 0  # bytes of `_large` still to come

    def feed(self, data: bytes) -> list[Token]:
        self._buffer += data
        found: list[Token] = []
        place = 0
        while place < len(self._buffer):
            taken = self._skipped(place, found) if self._left else self._next(place, found)
            if not taken:
                break
            place += taken
        del self._buffer[:place]
        return found

    def end(self) -> None:
        """Forgets a command that has begun: its end will not come."""
        self._buffer.clear()
        self._large, self._left = None, 0

    @property
    def amid(self) -> bool:
        """Whether a command has begun that is not complete."""
        return bool(self._buffer) or self._left > 0

    def _skipped(self, place: int, found: list[Token]) -> int:
        taken = min(self._left, len(self._buffer) - place)
        self._left -= taken
        if not self._left and self._large:
            found.append(self._large)
            self._large = None
        return taken

    def _next(self, place: int, found: list[Token]) -> int:
        """Takes one token at `place`; how many bytes that were, 0 when more must come."""
        text = _TEXT.match(self._buffer, place)
        if text:
            found.append(Text(text[0]))
            return len(text[0])
        code = self._buffer[place]
        if code not in INTRODUCERS:
            found.append(Control(code))
            return 1
        return self._command(place, found)

    def _command(self, place: int, found: list[Token]) -> int:
        if len(self._buffer) < place + 2:
            return 0
        introducer, letter = self._buffer[place], self._buffer[place + 1]
        name = name_of(introducer, letter)
        args = bytes(self._buffer[place + 2 : place + 2 + HEAD])
        length = length_of(name, args)
        if (length == MORE and len(args) == HEAD) or HEAD < length <= KEPT:
            args = bytes(self._buffer[place + 2 :])
            length = length_of(name, args)
        if length == MORE:
            return 0
        if length == UNKNOWN:
            found.append(Stray(name))
            return 2 if 0x20 <= letter < 0x7F and introducer in (0x1B, 0x1C, 0x1D) else 1
        if length > KEPT:
            return self._begin_large(Command(name, args[:HEAD]), length)
        if len(args) < length:
            return 0
        found.append(Command(name, args[:length]))
        return 2 + length

    def _begin_large(self, command: Command, length: int) -> int:
        if len(command.args) < HEAD:
            return 0
        self._large, self._left = command, length - HEAD
        return 2 + HEAD
