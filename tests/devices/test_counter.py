"""Totals told as increase: resets, wraps and late arrivals are told apart, and nobody is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.counter import BITS_16, Order, Rise, Seen, daily_rise, first_sight, rise, told, utc
from records.types import DoorCount

NINE = datetime(2026, 11, 21, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def seen(in_: int, out: int, hours: float = 0) -> Seen:
    return Seen(in_, out, NINE + hours * HOUR)


@given(start=st.integers(0, BITS_16 - 1), people=st.lists(st.integers(0, BITS_16 // 16 - 1), max_size=60))
def test_a_counter_that_runs_over_loses_nobody(start: int, people: list[int]) -> None:
    """Whatever its width and wherever it began, the increases add up to who came."""
    total, counted = start, 0
    for came in people:
        after = (total + came) % BITS_16
        if total + came >= BITS_16 and total < BITS_16 - BITS_16 // 16:
            return  # only a busier hour than any door's runs over from so far below
        step = rise(Seen(total, total, NINE), Seen(after, after, NINE), BITS_16)
        assert not step.reset
        counted, total = counted + step.in_, after
    assert counted == sum(people)


def test_a_fall_is_a_reset_of_both_sides() -> None:
    """What either side shows now was counted since, also where the other one stands higher than before."""
    assert rise(seen(70, 5), seen(3, 9), BITS_16) == Rise(3, 9, reset=True)
    assert rise(seen(70, 5), seen(72, 9), BITS_16) == Rise(2, 4)
    assert rise(seen(BITS_16 - 1, 0), seen(0, 0), 0) == Rise(0, 0, reset=True)


def test_another_day_is_a_reset_of_the_days_totals() -> None:
    """By the counter's own midnight, however high the new day stands."""
    shanghai = ZoneInfo("Asia/Shanghai")  # 09:00 in UTC is 17:00 there
    assert daily_rise(seen(10, 10, 0), seen(25, 20, 8), shanghai) == Rise(25, 20, reset=True)
    assert daily_rise(seen(10, 10, 0), seen(25, 20, 6), shanghai) == Rise(15, 10)


def test_the_record_says_from_when_to_when() -> None:
    """The first sight counts nobody and carries gap; after a clock set back there is no beginning."""
    assert first_sight(seen(9, 9), "1") == DoorCount(0, 0, None, NINE, "1", gap=True)
    assert told(seen(1, 1), seen(3, 1, 1), Rise(2, 0), "1") == DoorCount(2, 0, NINE, NINE + HOUR, "1")
    assert told(seen(1, 1, 1), seen(3, 1), Rise(2, 0), None).from_ is None


def test_late_arrivals_and_clocks_set_back_are_told_apart() -> None:
    """Older ones are late for an hour; if nothing newer came until then, the clock went back."""
    order = Order()
    old, last = NINE - 5 * HOUR, NINE
    assert order.is_late("a", old, last, NINE)
    assert not order.is_late("a", NINE + HOUR, last, NINE + HOUR)
    assert order.is_late("a", old, last, NINE + 2 * HOUR)
    assert order.is_late("b", old, last, NINE + 2 * HOUR)
    assert not order.is_late("a", old, last, NINE + 3 * HOUR)
    assert not order.is_late("a", old, NINE + 48 * HOUR, NINE)


def test_an_impossible_year_is_refused() -> None:
    """Clocks that were never set, and times that no calendar can turn to UTC."""
    for year in (1, 1969, 9999):
        with pytest.raises(ValueError, match="year"):
            utc(datetime(year, 1, 1), ZoneInfo("Asia/Shanghai"))  # noqa: DTZ001 - a counter's wall clock
    assert utc(datetime(2026, 11, 21, 17), ZoneInfo("Asia/Shanghai")) == NINE  # noqa: DTZ001
