"""Whether everything in a buffer is as it was written, asked piece by piece."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from edge_agent.buffer.inspection import Checked, Flaw
from edge_agent.buffer.store import Buffer

PIECE = 500
BATCHES = 50
LOWEST = -(2**62)  # epochs of other files have ordinals below zero
T = TypeVar("T")


class Ask(Protocol):
    """Puts a question to the buffer and gives its answer: the recorder's desk, or a file that we opened ourselves."""

    def __call__(self, question: Callable[[Buffer], T], /) -> T: ...


class Verdict(NamedTuple):
    """What was looked at, and what is wrong. complete: whether SQLite's own check came to its end."""

    rows: int
    batches: int
    headers: int
    complete: bool
    flaws: list[Flaw]


def verify(ask: Ask, seconds: float) -> Verdict:
    """Looks at everything. SQLite's own check is one question, which is given up after so many seconds."""
    headers, of_headers = _through(ask, lambda buffer, upto: buffer.inspection.check_headers(upto, PIECE), LOWEST)
    rows, of_rows = _through(ask, lambda buffer, upto: buffer.inspection.check_rows(upto, PIECE), 0)
    batches, of_batches = _through(ask, lambda buffer, upto: buffer.inspection.check_batches(upto, BATCHES), 0)
    pages = ask(lambda buffer: _quick_check(buffer, seconds))
    flaws = [*of_headers, *of_rows, *of_batches, *(pages or [])]
    return Verdict(rows, batches, headers, pages is not None, flaws)


def _quick_check(buffer: Buffer, seconds: float) -> list[Flaw] | None:
    until = time.monotonic() + seconds
    return buffer.inspection.quick_check(lambda: time.monotonic() > until)


def _through(ask: Ask, piece: Callable[[Buffer, int], Checked], upto: int) -> tuple[int, list[Flaw]]:
    """How many were looked at, and the flaws; the buffer is free between two pieces."""
    count, flaws = 0, list[Flaw]()
    while True:
        checked = ask(_from(piece, upto))
        count += checked.looked
        flaws += checked.flaws
        if checked.upto is None:
            return count, flaws
        upto = checked.upto


def _from(piece: Callable[[Buffer, int], Checked], upto: int) -> Callable[[Buffer], Checked]:
    return lambda buffer: piece(buffer, upto)
