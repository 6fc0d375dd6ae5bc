"""How long live records of a lane should wait for company before they go.

A record that goes alone costs the link some 400 bytes, most of them around it: header, seal, receipt. Where records
come about once a second, waiting a little halves that; where they come seldom nobody would join, and where they come
fast company is there at once.
"""

from __future__ import annotations

FAST_S, SELDOM_S = 0.25, 1.5
_WEIGHT = 0.3
_LONGEST_S = 2 * SELDOM_S


class Cadence:
    """Of one lane. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._gap_s = _LONGEST_S
        self._last = float("-inf")

    def came(self, now: float, count: int) -> None:
        """So many records were accepted at once."""
        self._gap_s += _WEIGHT * (min(now - self._last, _LONGEST_S) - self._gap_s)
        self._gap_s *= (1 - _WEIGHT) ** (count - 1)
        self._last = now

    def linger_s(self, least: float, thrifty: float) -> float:
        """`thrifty` where company is worth the wait, else `least`."""
        return thrifty if FAST_S < self._gap_s < SELDOM_S else least
