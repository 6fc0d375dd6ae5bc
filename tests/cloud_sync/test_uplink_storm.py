"""Ten thousand boxes and a broker that comes back and refuses what is too much at once, in simulated time.

The uplink's own core decides when to come, by the span that headquarters announces.
"""

from __future__ import annotations

import heapq
from collections import Counter
from random import Random

import pytest

from cloud_sync.ingest.pressure import ADMITTED, calm_spread_s
from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.messages import Connect, LinkDown, LinkUp, Tick
from cloud_sync.uplink.settings import Settings
from tests.cloud_sync.uplink_parts import PIN

BOXES = 10_000
SPREAD_S = calm_spread_s(BOXES)  # what headquarters announces to as many boxes
DEADLINE_S = 120.0


class Storm:
    """All boxes up for an hour, then the broker is away for `outage_s` seconds.

    attempts, back: after its return; peak: attempts in the busiest second of it
    """

    def __init__(self, outage_s: float, seed: int) -> None:
        settings = Settings(facts={"spread_s": SPREAD_S})
        self._cores = [Uplink(PIN, settings, Random(f"{seed}/{number}")) for number in range(BOXES)]
        self._agenda: list[tuple[float, int]] = []
        self._returns = 3_600.0 + outage_s
        self._seconds: Counter[int] = Counter()
        self.attempts = 0
        self.back: list[float] = []
        for number in range(BOXES):
            self._begin(number)

    def _begin(self, number: int) -> None:
        core = self._cores[number]
        core.step(Tick(), 0.0)
        core.step(Tick(), core.due(0.0))
        core.step(LinkUp(1), 60.0)
        core.step(LinkDown(1, "the broker went away"), 3_600.0)
        self._later(number, 3_600.0)

    def _later(self, number: int, now: float) -> None:
        heapq.heappush(self._agenda, (self._cores[number].due(now), number))

    def run(self) -> None:
        while len(self.back) < BOXES:
            now, number = heapq.heappop(self._agenda)
            assert now < self._returns + 10 * DEADLINE_S, f"{len(self.back)} are back"
            core = self._cores[number]
            for effect in core.step(Tick(), now):
                if isinstance(effect, Connect):
                    self._knock(core, effect.session, now)
            if core.figures.up_since is None:
                self._later(number, now)

    def _knock(self, core: Uplink, session: int, now: float) -> None:
        if now < self._returns:
            core.step(LinkDown(session, "refused"), now)
            return
        second = int(now - self._returns)
        self._seconds[second] += 1
        self.attempts += 1
        if self._seconds[second] <= ADMITTED:
            core.step(LinkUp(session), now)
            self.back.append(now - self._returns)
        else:
            core.step(LinkDown(session, "refused"), now)

    @property
    def peak(self) -> int:
        return max(self._seconds.values())


OUTAGES = [45.0, 300.0, *(pytest.param(outage_s, marks=pytest.mark.long) for outage_s in (0.0, 10.0, 3_600.0))]


@pytest.mark.parametrize("outage_s", OUTAGES)
def test_a_broker_that_comes_back_is_not_stormed(outage_s: float) -> None:
    """However long it was away: at most 1.2 attempts a box, never more in a second than it admits, all back in time."""
    storm = Storm(outage_s, seed=1)
    storm.run()

    assert len(storm.back) == BOXES
    assert storm.attempts <= 1.2 * BOXES
    assert max(storm.back) <= DEADLINE_S
    assert storm.peak <= ADMITTED


def test_without_the_span_it_would_be() -> None:
    """The same boxes without HQ's span come all at once, so that the test above can fail."""
    settings = Settings(spread_s=0.0)
    cores = [Uplink(PIN, settings, Random(number)) for number in range(100)]
    for core in cores:
        core.step(Tick(), 0.0)
        core.step(LinkUp(1), 0.0)

    for core in cores:
        assert core.step(LinkDown(1, "the broker went away"), 3_600.0) == [Connect(2, 0)]
