"""Which lane may use which link when, and how fast: the store's plan for the bytes of its links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

from records import Lane

DAY = 1_440


class Rule(NamedTuple):
    """What these links carry of each of these lanes from `begins` until `ends`.

    links: their names, empty for every one; begins, ends: minutes of the store's day, all day where they are equal,
    over midnight where `ends` is the smaller
    bytes_per_s: for each lane by itself; 0 lets nothing pass
    """

    links: frozenset[str]
    lanes: frozenset[Lane]
    begins: int
    ends: int
    bytes_per_s: int

    def covers(self, minute: int) -> bool:
        if self.begins == self.ends:
            return True
        if self.begins < self.ends:
            return self.begins <= minute < self.ends
        return minute >= self.begins or minute < self.ends


class Plan(NamedTuple):
    """caps: bytes a month by the name of a metered link, beyond which it carries the vital lane alone."""

    rules: tuple[Rule, ...] = ()
    caps: Mapping[str, int] = {}

    def rates(self, link: str, minute: int) -> dict[Lane, float]:
        """Bytes a second of each lane, infinity where nothing limits it; the strictest rule counts."""
        return {lane: min(self._limits(link, lane, minute), default=inf) for lane in Lane}

    def _limits(self, link: str, lane: Lane, minute: int) -> Iterable[float]:
        for rule in self.rules:
            if (not rule.links or link in rule.links) and lane in rule.lanes and rule.covers(minute):
                yield rule.bytes_per_s
