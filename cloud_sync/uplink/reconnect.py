"""When the next session begins: first spread over a span, then full jitter, doubling.

Spreading the first attempt keeps ten thousand boxes from arriving together when a broker comes back; full jitter after
AWS, "Exponential Backoff And Jitter" (delay uniform between 0 and the doubled bound).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

PATIENCE = 3  # rounds over the brokers of the first link before another link is tried
BASE_S = 1.0
CAP_S = 120.0
STABLE_S = 60.0
MAX_SPREAD_S = 3_600.0


class Reconnect:
    """The attempts since the last stable session.

    ways: the link that leads to each broker, in the order of trying; spread_s: the span of first attempts
    """

    def __init__(self, ways: Sequence[str], spread_s: float, random: Random) -> None:
        first = [place for place, link in enumerate(ways) if link == ways[0]]
        self._order = first * (PATIENCE if len(first) < len(ways) else 1)
        self._order += [place for place, link in enumerate(ways) if link != ways[0]]
        self._random = random
        self._failures = 0
        self.spread_s = spread_s

    @property
    def way(self) -> int:
        """The place of the broker to try: in order, the first again after a stable session."""
        return self._order[self._failures % len(self._order)]

    def first(self) -> float:
        """Seconds until the first attempt."""
        return self._random.uniform(0, self._span())

    def begin_again(self) -> None:
        """The first broker of the first link comes next."""
        self._failures = 0

    def after_silence(self) -> float:
        """Seconds until the next attempt, at the next broker, after one that no word of HQ came through.

        Spread, since HQ falls silent for every box at once.
        """
        self._failures += 1
        return self.first()

    def after(self, lived_s: float) -> float:
        """Seconds until the next attempt, after a session that lived so long.

        Spread over twice the span of first attempts at least: a broker that comes back meets those that tried in vain
        together with those that have not tried yet, and admits few more than the latter.
        """
        if lived_s >= STABLE_S:
            self._failures = 0
            return self.first()
        rounds = min(self._failures // len(self._order), 30)
        self._failures += 1
        return self._random.uniform(0, min(CAP_S, max(2 * self._span(), BASE_S * 2**rounds)))

    def _span(self) -> float:
        return max(0.0, min(self.spread_s, MAX_SPREAD_S))
