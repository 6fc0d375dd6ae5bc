"""Silence: every rule tells once that it is broken, once that it is well again, and never while the store is closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count, pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.types import DeviceHealth, Quarantine, TempAmbient
from tests.edge_agent.silence.shop import DEVICES, PUNCH, SALE, Shop, cold, people

NAMES = ("till_quiet", "counter_zero", "value_stuck", "punch_quiet", "clock_off", "device_quiet")
Act = Callable[[Shop], None]
DAY = timedelta(days=1)


def only(rule: str, **settings: Any) -> dict[str, Any]:
    """All rules off but this one."""
    return {name: {"level": "off"} for name in NAMES} | {rule: settings}


class Case(NamedTuple):
    """A rule with its settings, what happens each minute while it is broken, and what makes it well.

    first: happens before; after_min: until it opens, in opening time
    """

    name: str
    rules: dict[str, Any]
    ill: Act
    well: Act
    after_min: int
    first: Act = lambda _: None


def _one_customer_more(shop: Shop) -> None:
    shop.bring("till-1", SALE)
    shop.bring("door-1", people(0))


CASES = (
    Case("till-quiet", only("till_quiet"), lambda _: None, lambda s: s.bring("till-1", SALE), 20),
    Case(
        "counter-zero",
        only("counter_zero"),
        _one_customer_more,
        lambda s: s.bring("door-1", people(1)),
        60,
        lambda s: s.bring("door-1", people(5)),
    ),
    Case(
        "value-stuck",
        only("value_stuck", after_h=2),
        lambda s: s.bring("cold-1", cold(-18.5)),
        lambda s: s.bring("cold-1", cold(-18.6)),
        120,
    ),
    Case("punch-quiet", only("punch_quiet", after_h=2), lambda _: None, lambda s: s.bring("punch-1", PUNCH), 120),
    Case(
        "clock-off",
        only("clock_off"),
        lambda s: s.bring("punch-1", PUNCH, age=DAY),
        lambda s: s.bring("punch-1", PUNCH),
        30,
    ),
    Case("device-quiet", only("device_quiet"), lambda _: None, lambda s: _all_speak(s), 60),
    Case(
        "device-quiet",
        {**{name: {"level": "off"} for name in NAMES}, "expected": [{"devices": ["punch-1"], "every_min": 15}]},
        lambda _: None,
        lambda s: s.bring("punch-1", PUNCH),
        15,
    ),
)


def _all_speak(shop: Shop) -> None:
    shop.bring("door-1", people(0))
    shop.bring("cold-1", cold(-18))


every_rule = pytest.mark.parametrize("case", CASES, ids=[f"{n}-{case.name}" for n, case in enumerate(CASES)])


@every_rule
def test_a_rule_tells_once_and_clears_once(case: Case) -> None:
    """Opened within its time, not again while it lasts, closed by the first good sign, with the device's state."""
    shop = Shop("2026-11-21T09:00", case.rules)
    case.first(shop)
    shop.wait(case.after_min - 1, lambda: case.ill(shop))
    assert shop.said == []
    shop.wait(3, lambda: case.ill(shop))
    devices = len(shop.said)
    assert [(rule, what) for _, rule, what in shop.said] == [(case.name, "opened")] * devices
    assert devices == (2 if case.rules.get("device_quiet") == {} else 1)
    shop.wait(3 * case.after_min, lambda: case.ill(shop))
    assert len(shop.said) == devices
    case.well(shop)
    case.well(shop)
    assert [(rule, what) for _, rule, what in shop.said[devices:]] == [(case.name, "closed")] * devices
    assert [state for _, state in shop.health] == ["silent"] * devices + ["up"] * devices
    assert shop.kept == {}


@every_rule
def test_no_rule_tells_while_the_store_is_closed(case: Case) -> None:
    """A night and a holiday of silence are none; what is broken in the morning is told after its time, by day."""
    hours = {"daily": "09:00-21:00", "exceptions": {"2026-11-22": "closed"}}
    shop = Shop("2026-11-21T21:00", case.rules, hours=hours)
    case.first(shop)
    shop.until("2026-11-23T08:59", lambda: case.ill(shop))
    assert shop.said == []
    shop.until("2026-11-23T20:30", lambda: case.ill(shop))
    assert {what for _, _, what in shop.said} == {"opened"}
    assert all("09:00" <= at < "21:00" for at, _, _ in shop.said)


@every_rule
def test_a_restart_neither_repeats_nor_forgets(case: Case) -> None:
    """What is open stays open over a restart, is not told again, and is closed when the device speaks."""
    shop = Shop("2026-11-21T09:00", case.rules)
    case.first(shop)
    shop.wait(case.after_min + 2, lambda: case.ill(shop))
    opened = len(shop.said)
    after = Shop("2026-11-21T16:00", case.rules, shop.kept)
    assert after.silence.silent().keys() == {device for device, _ in shop.health}
    after.wait(case.after_min * 2, lambda: case.ill(after))
    assert after.said == []
    case.well(after)
    assert [what for _, _, what in after.said] == ["closed"] * opened
    assert after.kept == {}


@every_rule
def test_no_rule_tells_at_once_after_a_restart(case: Case) -> None:
    """Whatever had added up: a device has five minutes, or the rule's whole time, to say something."""
    shop = Shop("2026-11-21T09:00", case.rules)
    case.first(shop)
    shop.wait(case.after_min - 0.5, lambda: case.ill(shop))
    after = Shop("2026-11-21T12:00", case.rules, shop.kept)
    after.wait(4.5, lambda: case.ill(after))
    assert after.said == []
    case.well(after)
    after.wait(case.after_min - 1)
    assert after.said == []


@every_rule
def test_a_clock_that_is_set_makes_nobody_silent(case: Case) -> None:
    """From night to noon, from noon to noon of another day, and back: only time that passes counts."""
    shop = Shop("2026-11-21T04:00", case.rules)
    case.first(shop)
    for span in (timedelta(hours=8), timedelta(days=3), timedelta(days=-7)):
        shop.jump(span)
        shop.wait(case.after_min / 4)
        assert shop.said == []


@every_rule
def test_a_box_that_was_suspended_heard_nothing(case: Case) -> None:
    """Hours in which the agent did not run are no silence of a device."""
    shop = Shop("2026-11-21T09:00", case.rules)
    case.first(shop)
    case.ill(shop)
    eight = timedelta(hours=8)
    shop.now = shop.now._replace(wall=shop.now.wall + eight, mono=shop.now.mono + eight.total_seconds())
    shop.wait(1)
    assert shop.said == []


def test_silence_may_last_over_night() -> None:
    """What is open at closing time stays open, is not told again in the morning, and closes with the first ticket."""
    shop = Shop("2026-11-21T20:30", only("till_quiet"))
    shop.until("2026-11-22T09:30")
    shop.bring("till-1", SALE)
    assert shop.said == [("20:50", "till-quiet", "opened"), ("09:30", "till-quiet", "closed")]


def test_a_morning_begins_anew() -> None:
    """Ten quiet minutes before closing and ten after opening are no twenty minutes."""
    shop = Shop("2026-11-21T20:49", only("till_quiet"))
    shop.until("2026-11-22T09:19")
    assert shop.said == []
    shop.until("2026-11-22T09:21")
    assert shop.said == [("09:20", "till-quiet", "opened")]


def test_a_device_that_speaks_just_in_time_is_never_silent() -> None:
    """A ticket every nineteen minutes; an hour of it, and the count begins anew each time."""
    shop = Shop("2026-11-21T09:00", only("till_quiet"))
    for _ in range(20):
        shop.wait(19.5)
        shop.bring("till-1", SALE)
    assert shop.said == []


def test_garbage_and_the_agents_own_words_are_no_speech() -> None:
    """A device whose every message is set aside does not count as heard, nor does its state."""
    shop = Shop("2026-11-21T09:00", only("device_quiet"))

    def noise() -> None:
        shop.bring("cold-1", Quarantine("cold-1", "half a frame"), DeviceHealth("up"))
        shop.bring("door-1", people(1))

    shop.wait(61, noise)
    assert shop.said == [("10:00", "device-quiet", "opened")]
    assert shop.health == [("cold-1", "silent")]


def test_a_counter_at_zero_without_customers_is_right() -> None:
    """Neither a quiet hour nor the agent's start proves anything; three tickets do."""
    shop = Shop("2026-11-21T09:00", only("counter_zero"))
    shop.wait(300, lambda: shop.bring("door-1", people(0)))
    for _ in range(2):
        shop.bring("till-1", SALE)
    shop.wait(10)
    assert shop.said == []
    shop.bring("till-1", SALE)
    shop.wait(1)
    assert len(shop.said) == 1


def test_probes_are_watched_each_by_itself() -> None:
    """One that moves does not excuse one that is stuck."""
    shop = Shop("2026-11-21T09:00", only("value_stuck", after_h=1))
    moving = count()
    shop.wait(70, lambda: shop.bring("cold-1", cold(-18), TempAmbient(next(moving) / 100, "freezer-2")))
    assert list(shop.kept) == ["value-stuck/cold-1/freezer-1"]
    assert len(shop.said) == 1


def test_a_thermometer_without_readings_repeats_nothing() -> None:
    """Two readings alike and then none for a day: it is quiet, which is another rule's business."""
    shop = Shop("2026-11-21T09:00", only("value_stuck", after_h=2))
    shop.bring("cold-1", cold(-18), cold(-18))
    shop.wait(24 * 60)
    assert shop.said == []


def test_what_adds_up_for_hours_survives_restarts() -> None:
    """A probe that is stuck through a restart every hour is told all the same, a few minutes late at most."""
    kept: dict[str, bytes] = {}
    said: list[tuple[str, str, str]] = []
    for hour in range(9, 15):
        shop = Shop(f"2026-11-21T{hour:02d}:00", only("value_stuck", after_h=4), kept)
        shop.wait(59, lambda shop=shop: shop.bring("cold-1", cold(-18)))  # type: ignore[misc]
        said += shop.said
    assert [(rule, what) for _, rule, what in said] == [("value-stuck", "opened")]
    assert "13:00" <= said[0][0] <= "13:59"


def test_late_data_is_no_wrong_clock() -> None:
    """A counter that sends what it had kept while the network was away says today's before the time is over."""
    shop = Shop("2026-11-21T09:00", only("clock_off"))
    for hours in range(30, 0, -1):
        shop.bring("door-1", people(1), age=timedelta(hours=hours))
        shop.wait(1)
    shop.wait(120)
    assert shop.said == []


def test_a_box_without_the_time_blames_nobody() -> None:
    """Where the box's own clock is not disciplined, nothing is said about other clocks."""
    shop = Shop("2026-11-21T09:00", only("clock_off"))
    shop.now = shop.now._replace(quality=shop.now.quality.UNKNOWN)
    shop.wait(120, lambda: shop.bring("punch-1", PUNCH, age=DAY))
    assert shop.said == []


def test_a_device_is_up_when_its_last_alert_closes() -> None:
    """Two rules broken at once: two alerts, one silent state."""
    shop = Shop("2026-11-21T09:00", only("clock_off") | {"punch_quiet": {"after_h": 1}})
    shop.wait(10, lambda: shop.bring("punch-1", PUNCH, age=DAY))
    shop.wait(70)
    assert sorted(rule for _, rule, _ in shop.said) == ["clock-off", "punch-quiet"]
    assert shop.health == [("punch-1", "silent")]
    shop.bring("punch-1", PUNCH, age=DAY)
    assert shop.health == [("punch-1", "silent")]
    shop.bring("punch-1", PUNCH)
    assert shop.health == [("punch-1", "silent"), ("punch-1", "up")]


def test_what_must_always_speak_is_told_by_night() -> None:
    """`when: always` knows no closing time."""
    rules = {"expected": [{"devices": ["cold-1"], "every_min": 10, "when": "always", "level": "high"}]}
    shop = Shop("2026-11-21T23:00", rules)
    shop.wait(30)
    assert shop.said == [("23:10", "device-quiet", "opened")]


def test_rules_are_switched_off_and_narrowed() -> None:
    """`level: off` watches nobody, `devices` only those."""
    rules = only("till_quiet", devices=["till-2"])
    shop = Shop("2026-11-21T09:00", rules, devices={"till-1": "csv-drop", "till-2": "http-push"})
    shop.wait(30)
    assert shop.health == [("till-2", "silent")]
    assert Shop("2026-11-21T09:00", {name: {"level": "off"} for name in NAMES}).silence.silent() == {}


def test_alerts_of_what_is_gone_are_closed() -> None:
    """A till that left the configuration, or a rule that was switched off: the next start closes the alert."""
    shop = Shop("2026-11-21T09:00", only("till_quiet"))
    shop.wait(21)
    for rules, devices in ((only("till_quiet"), {"door-1": "x"}), (only("clock_off"), DEVICES)):
        after = Shop("2026-11-21T10:00", rules, dict(shop.kept), devices)
        assert after.said == [("10:00", "till-quiet", "closed")]
        assert after.kept == {}
    assert Shop("2026-11-21T10:00", {}, {"till-quiet/till-1": b"of another release"}).kept == {}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.integers(1, 90)),
            st.tuples(st.just("say"), st.sampled_from(sorted(DEVICES))),
            st.tuples(st.just("jump"), st.integers(-3000, 3000)),
            st.tuples(st.just("restart"), st.just(0)),
        ),
        max_size=15,
    )
)
def test_alerts_come_in_pairs(acts: list[tuple[str, Any]]) -> None:
    """Whatever is said, waited, set and restarted: opened and closed take turns, and it opens only while open."""
    words = {"till-1": SALE, "door-1": people(0), "cold-1": cold(-18), "punch-1": PUNCH}
    shop = Shop("2026-11-21T08:00", {})
    said = []
    for act, how in acts:
        match act:
            case "wait":
                shop.wait(how)
            case "say":
                shop.bring(how, words[how])
            case "jump":
                shop.jump(timedelta(minutes=how))
            case _:
                said += shop.said
                mono, wall = shop.now.mono, shop.now.wall
                shop = Shop("2026-11-21T08:00", {}, shop.kept)
                shop.now = shop.now._replace(mono=mono, wall=wall)
    said += shop.said
    for rule in {rule for _, rule, _ in said if rule != "device-quiet"}:
        course = [what for _, name, what in said if name == rule]
        assert course[0] == "opened"
        assert all(one != other for one, other in pairwise(course))
    assert all("09:00" <= at < "21:00" for at, _, what in said if what == "opened")
