"""The text of a receipt as it stands on the paper: lines, with columns apart from each other."""

from __future__ import annotations

import re
from operator import itemgetter
from unicodedata import east_asian_width

ADVANCE = 12  # dots of a character of font A at 203 dpi; a Chinese one takes two
_TAB = 8  # columns between tab stops unless `ESC D` sets others
_WIDEST_GAP = 48
_APART = 2  # blanks that part two columns at least
_BLANK_LINES = re.compile(r"\n{3,}")
_BOX = re.compile("[\u2500-\u257f\u2581-\u2595]")


class Paper:
    """Characters and moves in, lines out. Positions are in dots and estimated: they order columns and part them."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._columns: list[tuple[int, str]] = []  # of the line: where each begins, in the order of printing
        self._x = 0
        self._target: int | None = None
        self._ended_by_cr = False
        self.size = 0  # characters so far
        self.width = 1  # times that characters are widened
        self.stops: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """All lines, without blanks at their ends, blank lines at either end and more than one in a row."""
        lines = "\n".join(line.rstrip() for line in [*self._lines, self._line()])
        return _BLANK_LINES.sub("\n\n", lines).strip("\n")

    @property
    def in_line(self) -> bool:
        return bool(self._columns)

    def write(self, text: str) -> None:
        if self._target is not None or not self._columns:
            self._x = self._x if self._target is None else self._target
            self._columns.append((self._x, text))
            self._target = None
        else:
            begin, before = self._columns[-1]
            self._columns[-1] = (begin, before + text)
        self._x += _cells(text) * ADVANCE * self.width
        self.size += len(text)
        self._ended_by_cr = False

    def move_to(self, dots: int) -> None:
        """`ESC $`: what follows is another column, however near."""
        self._target = dots

    def move_by(self, dots: int) -> None:
        """`ESC \\`: another column when it is a character or more away."""
        if self._target is not None:
            self._target += dots
        elif abs(dots) >= ADVANCE:
            self._target = self._x + dots

    def tab(self) -> None:
        column = self._x // ADVANCE
        stop = next((stop for stop in self.stops if stop > column), (column // _TAB + 1) * _TAB)
        self._target = stop * ADVANCE

    def feed(self) -> None:
        """LF; none after the CR that ended the line already."""
        if self._ended_by_cr:
            self._ended_by_cr = False
            return
        self._break()

    def finish_line(self) -> None:
        """Ends the line if it holds something."""
        if self._columns:
            self._break()

    def carriage_return(self) -> None:
        """Ends a line that holds something: printers that ignore it get an LF as well."""
        if self._columns:
            self._break()
            self._ended_by_cr = True

    def own_line(self, text: str) -> None:
        """A line of its own."""
        self.finish_line()
        self.write(text)
        self._break()

    def _break(self) -> None:
        self._lines.append(self._line())
        self._columns.clear()
        self._x, self._target = 0, None
        self.size += 1

    def _line(self) -> str:
        """The columns from left to right: a frame's borders are printed before what stands between them."""
        line, end = "", 0
        for begin, text in sorted(self._columns, key=itemgetter(0)):
            if line:
                apart = 0 if _BOX.match(line[-1]) or _BOX.match(text) else _APART
                line += " " * min(max((begin - end) // ADVANCE, apart), _WIDEST_GAP)
            line += text
            end = begin + _cells(text) * ADVANCE
        return line


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
