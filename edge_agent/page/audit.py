"""A count by hand beside a camera's own: somebody taps who comes in and out, and both are held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from records.types import CountAudit

Counts = Counter[tuple[str, bool]]  # by line and whether inward


def error_pct(counted: int, tapped: int) -> Decimal | None:
    """How far a count is off, in % of what a person counted, one decimal; None where the person counted nobody."""
    return (Decimal(100 * (counted - tapped)) / tapped).quantize(Decimal("0.1"), ROUND_HALF_UP) if tapped else None


class Audit:
    """One, from its start. counts: the camera's since the agent began, at the start"""

    def __init__(self, lines: Iterable[str], counts: Counts, at: datetime) -> None:
        self.since = at
        self._lines = tuple(lines)
        self._before = counts
        self._taps: dict[str, tuple[str, bool]] = {}
        self._ended: list[CountAudit] = []

    def tap(self, id_: str, line: str, *, inward: bool) -> None:
        """Somebody passed; what comes again under its id counts once."""
        if line in self._lines and not self._ended:
            self._taps.setdefault(id_, (line, inward))

    def undo(self) -> None:
        """The last tap was none."""
        if self._taps and not self._ended:
            self._taps.popitem()

    def lines(self, counts: Counts, at: datetime) -> list[CountAudit]:
        """How it stands, by line; after its end, how it stood then."""
        tapped, counted = Counter(self._taps.values()), counts - self._before
        return self._ended or [
            CountAudit(
                line=line,
                from_=self.since,
                to=at,
                tapped_in=tapped[line, True],
                tapped_out=tapped[line, False],
                counted_in=counted[line, True],
                counted_out=counted[line, False],
            )
            for line in self._lines
        ]

    def end(self, counts: Counts, at: datetime) -> list[CountAudit]:
        self._ended = self.lines(counts, at)
        return self._ended
