"""When the next session begins: first spread over a span, then full jitter, doubling.

Spreading the first attempt keeps ten thousand boxes from arriving together when a broker comes back; full jitter after
AWS, "Exponential Backoff And Jitter" (delay uniform between 0 and the doubled bound).
"""

from __future__ import annotations

from random import Random

BASE_S = 1.0
CAP_S = 120.0
STABLE_S = 60.0
MAX_SPREAD_S = 3_600.0


class Reconnect:
    """The attempts since the last stable session. spread_s: the span of first attempts."""

    def __init__(self, brokers: int, spread_s: float, random: Random) -> None:
        self._brokers = brokers
        self._random = random
        self._failures = 0
        self.spread_s = spread_s

    @property
    def broker(self) -> int:
        """The place of the broker to try: in order, the first again after a stable session."""
        return self._failures % self._brokers

    def first(self) -> float:
        """Seconds until the first attempt."""
        return self._random.uniform(0, max(0.0, min(self.spread_s, MAX_SPREAD_S)))

    def after_silence(self) -> float:
        """Seconds until the next attempt, at the next broker, after one that no word of HQ came through.

        Spread, since HQ falls silent for every box at once.
        """
        self._failures += 1
        return self.first()

    def after(self, lived_s: float) -> float:
        """Seconds until the next attempt, after a session that lived so long."""
        if lived_s >= STABLE_S:
            self._failures = 0
            return self.first()
        rounds = min(self._failures // self._brokers, 30)
        self._failures += 1
        return self._random.uniform(0, min(CAP_S, BASE_S * 2**rounds))
