from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.messages import (
    Connect,
    LinkDown,
    LinkUp,
    ResetSession,
    Tick,
)
from cloud_sync.wire.downlink import Kind, Pace
from tests.cloud_sync.uplink_parts import (
    PIN,
    SETTINGS,
    heard,
    word,
)


def test_a_session_that_does_not_begin_is_given_up() -> None:
    """A broker that takes the connection and then says nothing costs connect_s."""
    core = Uplink(PIN, SETTINGS, Random(1))
    core.step(Tick(), 0.0)

    assert core.due(0.0) == 60.0
    assert core.step(Tick(), 60.0) == [ResetSession("the broker did not answer in time")]
    assert core.step(LinkUp(1), 60.0) == []


def test_the_first_attempt_is_spread() -> None:
    """First connections of many boxes fall evenly over the span."""
    delays = []
    for seed in range(200):
        core = Uplink(PIN, replace(SETTINGS, spread_s=60.0), Random(seed))
        core.step(Tick(), 1_000.0)
        delays.append(core.due(1_000.0) - 1_000.0)

    assert 0 <= min(delays) < 3
    assert 57 < max(delays) <= 60


def failing(core: Uplink, times: int) -> list[tuple[float, int]]:
    """(wait, broker) of attempts that all fail at once."""
    attempts, now = [], 0.0
    core.step(Tick(), now)
    for session in range(1, times + 1):
        core.step(LinkDown(session, "refused"), now)
        wait = core.due(now) - now
        if wait > 0:
            now += wait
            effects = core.step(Tick(), now)
            attempts += [(wait, effect.way) for effect in effects if isinstance(effect, Connect)]
    return attempts


def test_attempts_back_off_to_two_minutes_with_full_jitter() -> None:
    """The bound of the wait doubles from 1 s to 120 s and every wait lies anywhere below it."""
    waits = [wait for wait, _ in failing(Uplink(PIN, SETTINGS, Random(4)), 400)]

    for number, wait in enumerate(waits[:7]):
        assert wait <= 2**number
    assert min(waits[20:]) < 5
    assert 115 < max(waits) <= 120


def test_brokers_are_tried_in_order() -> None:
    """After each failure the next address is tried, and the wait grows with each round."""
    attempts = failing(Uplink(PIN, replace(SETTINGS, ways=("wired",) * 3), Random(4)), 6)

    assert [broker for _, broker in attempts] == [1, 2, 0, 1, 2, 0]
    assert all(wait <= 1 for wait, _ in attempts[:3])


@pytest.mark.parametrize(("lived_s", "bound_s"), [(59.0, 64.0), (60.0, 0.0)])
def test_only_a_stable_session_resets_the_wait(lived_s: float, bound_s: float) -> None:
    """After six failures and a session of under a minute the wait goes on growing; after a minute it begins anew."""
    waits = []
    for seed in range(50):
        core = Uplink(PIN, SETTINGS, Random(seed))
        now = 0.0
        core.step(Tick(), now)
        for session in range(1, 7):
            core.step(LinkDown(session, "refused"), now)
            now = core.due(now)
            core.step(Tick(), now)
        core.step(LinkUp(7), now)
        core.step(LinkDown(7, "cut"), now + lived_s)
        waits.append(core.due(now + lived_s) - now - lived_s if core.figures.up_since is None else 0.0)

    assert max(waits) <= bound_s or bound_s == 0
    assert max(waits) > bound_s / 2 or bound_s == 0


def test_headquarters_sets_the_span() -> None:
    """A pace's spread_s spreads the next first attempt."""
    waits = []
    for seed in range(100):
        core = Uplink(PIN, SETTINGS, Random(seed))
        core.step(Tick(), 0.0)
        core.step(LinkUp(1), 0.0)
        heard(core, word(Kind.PACE, Pace(0, 0, 300)), 1.0)
        core.step(LinkDown(1, "cut"), 100.0)
        waits.append(core.due(100.0) - 100.0)

    assert 250 < max(waits) <= 300
