"""The cold chain: spikes and power-on values are no temperatures, an excursion is told within its time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.driver import Context, Item, Reading, Rejected
from devices.temperature import Measured, Probes
from devices.thermometer_options import ThermometerOptions
from records.types import TempAmbient
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
FREEZER = {"max_c": -12.0, "after_s": 60.0, "hysteresis_c": 1.0}


def probes(state: dict[str, bytes] | None = None, **settings: Any) -> Probes:
    options = ThermometerOptions.model_validate({"id": "t", "driver": "t", **FREEZER, **settings})
    return Probes(options, Context(state or {}))


def run(told: Iterable[float], every_s: float = 10, **settings: Any) -> list[Item]:
    device = probes(**settings)
    return [
        device.take(Measured("p", celsius), AT + timedelta(seconds=every_s * number))
        for number, celsius in enumerate(told)
    ]


def excursions(items: list[Item]) -> list[str | None]:
    return [item.data.excursion for item in items if isinstance(item, Reading) and isinstance(item.data, TempAmbient)]


@needs_samples
def test_the_freezer_with_spikes_raises_no_excursion() -> None:
    """The real series: both spikes set aside, every other reading kept, even with a limit that allows no second."""
    assert SHARED
    series = json.loads((SHARED / "samples/thermometer/ds18b20_freezer_series_with_spikes.json").read_text())
    items = run(series, after_s=0)

    assert [item.reason for item in items if isinstance(item, Rejected)] == [
        "a jump from -16.3 to 79.75 °C (p)",
        "a jump from -16.4 to 79.5 °C (p)",
    ]
    assert excursions(items) == [None] * 18


def test_a_warming_freezer_is_told_within_its_time() -> None:
    """The first reading a minute after the limit was passed carries the excursion, and it ends a degree inside."""
    warming = [-16, -14, -12.5, -11.9, -11, -10, -9, -9, -9, -9, -11, -12.5, -12.9, -13, -12.5]
    told = excursions(run(warming))

    assert told[:9] == [None] * 9  # outside since the fourth: 50 s
    assert told[9:13] == ["high"] * 4
    assert told[13:] == [None, None]


def test_a_jump_that_stays_is_a_change() -> None:
    """A door torn open: three agreeing readings are believed, and the excursion counts from the first of them."""
    items = run([-16, -16, 5, 5.5, 6, 6.5, 7, 7, 7])

    assert [type(item) for item in items[2:5]] == [Rejected, Rejected, Reading]
    assert excursions(items)[-2:] == [None, "high"]


def test_two_spikes_that_disagree_are_spikes() -> None:
    """Only readings that agree with each other outvote what was believed."""
    items = run([-16, 79.75, 30, 79.75, -16.2])
    assert [type(item) for item in items] == [Reading, Rejected, Rejected, Rejected, Reading]


def test_a_spike_begins_no_excursion_by_itself() -> None:
    """What was doubted and never confirmed does not count, and does not end one either."""
    assert excursions(run([-16, 79.75, -16.1, -16.1], after_s=0)) == [None] * 3
    assert excursions(run([-9, -9, -9, -9, -9, -9, -9, -60, -9])) == [None] * 6 + ["high"] * 2


def test_too_cold_is_an_excursion_too() -> None:
    """A fridge that freezes its milk."""
    assert excursions(run([3, 1.9, 1.5, 1.5], max_c=8, min_c=2, after_s=20)) == [None, None, None, "low"]


def test_an_excursion_survives_a_restart() -> None:
    """What is committed with a reading lets the next start go on counting."""
    first = probes().take(Measured("p", -9.0), AT)
    state = {key: value for key, value in first.state.items() if value is not None}
    second = probes(state).take(Measured("p", -9.5), AT + timedelta(seconds=61))

    assert excursions([second]) == ["high"]
    assert excursions([probes({"probe/p": b"of another release"}).take(Measured("p", -9.5), AT)]) == [None]


def test_a_clock_that_steps_back_cannot_end_or_hasten_it() -> None:
    """Time is only ever counted forward."""
    device = probes()
    times = [0, 50, -3600, -3540]
    items = [device.take(Measured("p", -9.0), AT + timedelta(seconds=second)) for second in times]
    assert excursions(items) == [None, None, None, "high"]


def test_a_power_on_value_is_none_unless_led_up_to() -> None:
    """85.000 is told by a sensor that has not measured, and by one in an oven."""
    hot = probes(max_c=None)
    oven = [hot.take(Measured("p", celsius, startup_c=85), AT) for celsius in (85.0, 81.0, 85.0)]
    assert [type(item) for item in oven] == [Rejected, Reading, Reading]
    (rejected, *_) = oven
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "85 °C is what the sensor says before it has measured (p)"


@pytest.mark.parametrize("celsius", [float("nan"), float("inf"), -127.0, 327.67])
def test_what_cannot_be_is_set_aside(celsius: float) -> None:
    """Neither a number that is none nor one out of the valid range is a temperature."""
    (item,) = run([celsius])
    assert isinstance(item, Rejected)
    assert "cannot be true (p)" in item.reason


def test_probes_have_names_and_limits_of_their_own() -> None:
    """The listed probe by its own, another by the device's."""
    device = probes(max_c=8.0, after_s=0, probes=[{"id": "AA", "name": "freezer-1", "max_c": -15}])
    listed, other = (device.take(Measured(probe, 3.0), AT) for probe in ("aa", "bb"))
    assert isinstance(listed, Reading)
    assert listed.data == TempAmbient(3.0, "freezer-1", excursion="high")
    assert isinstance(other, Reading)
    assert other.data == TempAmbient(3.0, "bb")


def test_humidity_alone_is_a_reading() -> None:
    """Some devices tell temperature and humidity apart."""
    item = probes().take(Measured("p", None, 34.9), AT)
    assert isinstance(item, Reading)
    assert item.data == TempAmbient(None, "p", 34.9)
    assert isinstance(probes().take(Measured("p", 20.0, 327.0), AT), Rejected)


@pytest.mark.parametrize(
    "settings",
    [
        {"min_c": -12.5},
        {"valid_min_c": 20, "valid_max_c": 10},
        {"probes": [{"id": "a", "min_c": -13}]},
        {"probes": [{"id": "a"}, {"id": "A"}]},
    ],
)
def test_limits_that_contradict_are_refused(settings: dict[str, Any]) -> None:
    """A band narrower than its hysteresis could never be left."""
    with pytest.raises(ValidationError):
        probes(**settings)


@given(st.lists(st.floats(-59, 124), min_size=1, max_size=60), st.sampled_from([1, 10, 60, 600]))
def test_an_excursion_is_only_told_of_what_is_outside(series: list[float], every_s: int) -> None:
    """Whatever a sensor says: no reading that is back inside by the hysteresis carries one; none is lost."""
    items = run(series, every_s)
    assert len(items) == len(series)
    for item in items:
        if isinstance(item, Reading) and isinstance(item.data, TempAmbient) and item.data.celsius is not None:
            assert item.data.excursion is None or item.data.celsius > -13
