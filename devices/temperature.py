"""What every ambient thermometer's readings go through: plausibility, power-on values, spikes, excursions.

A probe's course and whether it is outside of its limits are state: they commit with the reading and survive a restart.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from devices.driver import Context, Item, Reading, Rejected
from devices.excursion import Outside, outside
from devices.spike import Course, Pace, Point, judged
from devices.thermometer_options import ProbeOptions, ThermometerOptions
from records import ClockQuality
from records.types import TempAmbient

_PREFIX = "probe/"


class Measured(NamedTuple):
    """What a device says of one probe. `probe`: as the device names it; None where it has only one.

    celsius, humidity_pct: None where it does not say them
    startup_c: a temperature that this kind of sensor also says when it has measured nothing yet
    """

    probe: str | None
    celsius: float | None
    humidity_pct: float | None = None
    raw: bytes = b""
    clock: ClockQuality | None = None
    identity: str | None = None
    startup_c: float | None = None


class _Known(NamedTuple):
    """What is known of a probe, as its state says it."""

    course: Course | None = None
    outside: Outside | None = None


class _Seen(NamedTuple):
    """When a probe was last heard, on the box's clock and in its course."""

    arrived: datetime
    at: datetime


class Probes:
    """A device's probes.

    spacing: how far readings of one probe are apart that come at the very same instant, which only a capture's do
    """

    def __init__(self, options: ThermometerOptions, context: Context, spacing: timedelta = timedelta(0)) -> None:
        self._options = options
        self._spacing = spacing
        self._pace = Pace(options.spike_step_c, options.spike_c_per_min)
        self._listed = {probe.id.lower(): probe for probe in options.probes}
        self._known = {
            key.removeprefix(_PREFIX): known
            for key, state in context.state.items()
            if key.startswith(_PREFIX) and (known := _restored(state))
        }
        self._seen: dict[str, _Seen] = {}

    def lists(self, probe: str) -> bool:
        """Whether the configuration names it, or names none at all."""
        return not self._listed or probe.lower() in self._listed

    def take(self, said: Measured, at: datetime) -> Item:
        """The reading of what was measured at `at`, or why it is none."""
        entry, name = self._entry(said)
        fault = self._fault(said, name)
        if fault:
            return Rejected(fault, said.raw, at)
        if said.celsius is None:
            return Reading(TempAmbient(None, name, said.humidity_pct), at, said.clock, said.identity, raw=said.raw)
        return self._measured(said, said.celsius, name, entry, at)

    def kept(self, said: Measured, at: datetime) -> Item:
        """A reading that the device kept and tells late: later ones have been judged, so that it is only plausible."""
        _, name = self._entry(said)
        fault = self._fault(said, name)
        if fault:
            return Rejected(fault, said.raw, at)
        data = TempAmbient(said.celsius, name, said.humidity_pct)
        return Reading(data, at, said.clock, said.identity, raw=said.raw)

    def _entry(self, said: Measured) -> tuple[ProbeOptions | None, str | None]:
        """What the configuration says of the probe, and its name in records."""
        entry = self._listed.get((said.probe or "").lower())
        return entry, entry.name if entry and entry.name else said.probe

    def _fault(self, said: Measured, name: str | None) -> str | None:
        """Why it cannot be true, None where it can."""
        if said.humidity_pct is not None and not 0 <= said.humidity_pct <= 100:
            return f"humidity {said.humidity_pct:g} % cannot be true{_of(name)}"
        low, high = self._options.valid_min_c, self._options.valid_max_c
        if said.celsius is not None and not (math.isfinite(said.celsius) and low <= said.celsius <= high):
            return f"{said.celsius:g} °C cannot be true{_of(name)}"
        return None

    def _measured(
        self, said: Measured, celsius: float, name: str | None, entry: ProbeOptions | None, at: datetime
    ) -> Item:
        key = name or ""
        before = self._known.get(key, _Known())
        if celsius == said.startup_c and not self._near(before.course, celsius):
            return Rejected(f"{celsius:g} °C is what the sensor says before it has measured{_of(name)}", said.raw, at)
        point = Point(celsius, self._when(key, at))
        now = judged(before.course, point, self._pace)
        if now.course.doubt:
            state = self._remember(key, _Known(now.course, before.outside))
            last = now.course.believed.celsius
            return Rejected(f"a jump from {last:g} to {celsius:g} °C{_of(name)}", said.raw, at, state)
        beyond, limits = before.outside, self._options.limits(entry)
        for told in (now.begun, point) if now.begun else (point,):
            beyond = outside(beyond, told.celsius, told.at, limits)
        excursion = beyond.side if beyond and beyond.excursion else None
        state = self._remember(key, _Known(now.course, beyond))
        data = TempAmbient(celsius, name, said.humidity_pct, excursion)
        return Reading(data, at, said.clock, said.identity, state, said.raw)

    def _when(self, key: str, at: datetime) -> datetime:
        seen = self._seen.get(key)
        when = seen.at + self._spacing if seen and seen.arrived == at else at
        self._seen[key] = _Seen(at, when)
        return when

    def _near(self, known: Course | None, celsius: float) -> bool:
        """A start-up value may be measured too: then the readings before it, doubted or not, lead up to it."""
        return known is not None and abs(known.last.celsius - celsius) <= self._options.spike_step_c

    def _remember(self, key: str, known: _Known) -> dict[str, bytes | None]:
        self._known[key] = known
        return {_PREFIX + key: msgspec.json.encode(known)}


def _of(name: str | None) -> str:
    return f" ({name})" if name else ""


def _restored(state: bytes) -> _Known | None:
    """None for state that another release wrote: the probe begins anew."""
    try:
        return msgspec.json.decode(state, type=_Known)
    except msgspec.DecodeError:
        return None
