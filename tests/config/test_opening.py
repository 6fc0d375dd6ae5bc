"""When a store is open: by weekday, by date, over midnight, and on the days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config import load
from config.opening import OpeningHours, Span, span
from tests.config.least import WHOLE
from tests.config.test_load import LINES, faults

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def hours(**settings: Any) -> OpeningHours:
    return OpeningHours.model_validate(settings)


def open_at(opening: OpeningHours, zone: ZoneInfo, *texts: str) -> list[bool]:
    """Whether it is open at these local times, such as `2026-11-21 09:00`."""
    return [opening.is_open(datetime.fromisoformat(text).replace(tzinfo=zone), zone) for text in texts]


def test_a_store_is_open_from_the_first_minute_to_the_last() -> None:
    """The opening time is open, the closing time is closed, whatever zone the question is asked in."""
    opening = hours(daily="08:00-22:00")
    times = ("2026-11-21 07:59", "2026-11-21 08:00", "2026-11-21 21:59", "2026-11-21 22:00")
    assert open_at(opening, SHANGHAI, *times) == [False, True, True, False]
    assert opening.is_open(datetime(2026, 11, 21, 0, tzinfo=UTC), SHANGHAI)


def test_a_day_has_several_spans() -> None:
    """Closed over noon."""
    opening = hours(daily=["08:00-12:00", "13:30-20:00"])
    times = ("2026-11-21 11:59", "2026-11-21 12:00", "2026-11-21 13:29", "2026-11-21 13:30")
    assert open_at(opening, SHANGHAI, *times) == [True, False, False, True]


def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    """Friday's night goes on into Saturday, which is closed itself."""
    opening = hours(daily="closed", friday="18:00-02:00")
    times = ("2026-11-20 17:59", "2026-11-20 23:59", "2026-11-21 01:59", "2026-11-21 02:00", "2026-11-21 18:30")
    assert open_at(opening, SHANGHAI, *times) == [False, True, True, False, False]


def test_an_exception_takes_the_place_of_the_week() -> None:
    """New Year's Eve ends early, the feast is closed, and the night before it still goes on after midnight."""
    opening = hours(daily="18:00-01:00", exceptions={"2027-02-05": "09:00-14:00", "2027-02-07": "closed"})
    times = ("2027-02-05 13:59", "2027-02-05 18:30", "2027-02-07 00:30", "2027-02-07 18:30", "2027-02-08 18:30")
    assert open_at(opening, SHANGHAI, *times) == [True, False, True, False, True]


def test_round_the_clock_never_closes() -> None:
    """Also at midnight."""
    opening = hours(daily="00:00-24:00")
    begin = datetime(2026, 3, 28, tzinfo=UTC)
    assert all(opening.is_open(begin + timedelta(minutes=15 * number), BERLIN) for number in range(300))


@pytest.mark.parametrize(
    ("begin", "local", "minutes"),
    [
        ("2026-03-29T00:00", "00:00-04:00", 180),  # 02:00 to 03:00 is left out
        ("2026-10-25T00:00", "00:00-04:00", 300),  # 02:00 to 03:00 comes twice
        ("2026-03-29T00:00", "02:30-04:00", 30),  # opens in the hour that is none: at 03:30 of the summer clock
        ("2026-10-25T00:00", "02:30-02:45", 75),  # from the first 02:30 to the last 02:45
        ("2026-03-28T00:00", "22:00-04:00", 300),  # over the night of the change
    ],
)
def test_the_clocks_change(begin: str, local: str, minutes: int) -> None:
    """Opening times are what the clock on the wall says, and each open minute passes once."""
    opening = hours(daily="closed", exceptions={begin[:10]: local})
    first = datetime.fromisoformat(begin).replace(tzinfo=BERLIN).astimezone(UTC)
    assert sum(opening.is_open(first + timedelta(minutes=number), BERLIN) for number in range(2880)) == minutes


@given(st.dates(date(2020, 1, 1), date(2035, 12, 31)), st.integers(0, 1439), st.integers(1, 1440))
def test_without_a_change_of_clocks_a_span_is_as_long_as_it_says(day: date, opens: int, long: int) -> None:
    """Whatever day and span: open at its first minute and its last, closed around them."""
    closes = opens + long
    until = "24:00" if closes == 1440 else f"{closes % 1440 // 60:02d}:{closes % 60:02d}"
    text = f"{opens // 60:02d}:{opens % 60:02d}-{until}"
    if long == 1440 and opens:
        with pytest.raises(ValueError, match="ends as it begins"):
            span(text)
        return
    assert span(text) == Span(opens, closes)
    opening = hours(daily="closed", exceptions={day.isoformat(): text})
    first = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) + timedelta(minutes=opens)
    around = [first - timedelta(minutes=1), first, first + timedelta(minutes=long - 1), first + timedelta(minutes=long)]
    assert [opening.is_open(at, SHANGHAI) for at in around] == [False, True, True, False]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"daily": "8-22"}, "must be local times such as 08:00-22:00"),
        ({"daily": "08:00-24:30"}, "must be local times such as 08:00-22:00"),
        ({"daily": "08:00-08:00"}, "ends as it begins"),
        ({"daily": ["08:00-14:00", "13:00-20:00"]}, "overlap; make one span of them"),
        ({"exceptions": {"17.2.2027": "closed"}}, "date"),
    ],
)
def test_hours_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    """With a sentence that says what they must look like."""
    with pytest.raises(ValidationError, match=said):
        hours(**settings)


def test_faults_are_told_with_their_line(tmp_path: Path) -> None:
    """Hours, dates, rules and the devices that rules name."""
    text = WHOLE + (
        "devices:\n"
        "  - {id: till-1, driver: poslog, path: drop}\n"
        "opening_hours:\n"
        "  daily: 8-22\n"
        "  exceptions:\n"
        "    2027-02-30: closed\n"
        "    2027-02-17: closd\n"
        "  sundy: closed\n"
        "silence:\n"
        "  till_quiet: {after_min: 0, drivers: [poslgo]}\n"
        "  value_stuck: {devices: [till-9]}\n"
        "  expected:\n"
        "    - devices: [till-1, freezer]\n"
        "      every_min: often\n"
    )
    spans = "must be local times such as 08:00-22:00; 18:00-02:00 ends after midnight, 00:00-24:00 never"
    assert faults(tmp_path, text) == [
        f":{LINES + 4}: opening_hours.daily: {spans}",
        f":{LINES + 6}: opening_hours.exceptions.2027-02-30: must be a date such as 2026-11-21, found '2027-02-30'",
        f":{LINES + 7}: opening_hours.exceptions.2027-02-17: {spans}",
        f":{LINES + 8}: opening_hours.sundy: unknown key; did you mean sunday?",
        f":{LINES + 10}: silence.till_quiet.after_min: must be at least 1, found 0",
        f":{LINES + 10}: silence.till_quiet.drivers.0: unknown driver 'poslgo'; did you mean poslog?",
        f":{LINES + 11}: silence.value_stuck.devices.0: the store has no device 'till-9'; did you mean till-1?",
        f":{LINES + 13}: silence.expected.0.devices.1: the store has no device 'freezer'; "
        "the ids of its devices stand under devices",
        f":{LINES + 14}: silence.expected.0.every_min: must be a whole number, found 'often'",
    ]


def test_what_is_not_said_has_usual_hours_and_rules(tmp_path: Path) -> None:
    """Nine to nine every day, and tills that are quiet for twenty minutes are told."""
    file = tmp_path / "store.yaml"
    file.write_text(WHOLE)
    config = load(file)
    assert config.opening_hours.hours(date(2026, 11, 22)) == (Span(9 * 60, 21 * 60),)
    assert (config.silence.till_quiet.after_min, config.silence.till_quiet.level) == (20, "warning")
