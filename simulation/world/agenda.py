"""Simulated time: what is to happen when, and a trace of what did."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count

BEGIN = datetime(2026, 11, 21, 8, tzinfo=UTC)
STANDSTILL = 3_000  # steps in one second
Deed = Callable[[], None]


class Stuck(AssertionError):
    """Time stands still: something keeps itself busy."""


class Agenda:
    """One heap of deeds for the whole world. now: true time in seconds since `BEGIN`; steps: deeds done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self._heap: list[tuple[float, int, Deed]] = []
        self._order = count()
        self._busy = 0

    def later(self, delay_s: float, deed: Deed) -> None:
        heapq.heappush(self._heap, (self.now + delay_s, next(self._order), deed))

    def run(self, until: float) -> None:
        """Everything that is due by then, in order; a deed may call this again to wait inside itself."""
        while self._heap and self._heap[0][0] <= until:
            at, _, deed = heapq.heappop(self._heap)
            self._busy = self._busy + 1 if int(at) == int(self.now) else 0
            if self._busy > STANDSTILL:
                raise Stuck(f"{STANDSTILL} steps within second {int(at)}")
            self.now = max(self.now, at)
            self.steps += 1
            deed()
        self.now = max(self.now, until)

    @property
    def true_time(self) -> datetime:
        """What a perfect clock shows; headquarters' own."""
        return BEGIN + timedelta(seconds=self.now)


class Trace:
    """A running hash of what happened, and on demand the lines themselves."""

    def __init__(self, agenda: Agenda, lines: list[str] | None) -> None:
        self._agenda = agenda
        self._lines = lines
        self._hash = sha256()

    def note(self, what: str) -> None:
        line = f"{self._agenda.now:.6f} {what}\n"
        self._hash.update(line.encode())
        if self._lines is not None:
            self._lines.append(line)

    @property
    def hash(self) -> str:
        return self._hash.hexdigest()
