"""Which watches a store's configuration asks for.

What a driver's name says is watched from the start; what a device tells only by speaking (that it counts, takes
temperatures, has a clock of its own) is watched from its first such reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.silence import RuleLevel, Silence
from edge_agent.silence.judges import TICKETS, WITH_CLOCK, Judge, Off, Quiet, Stuck, Zero
from edge_agent.silence.watch import Watch
from records import ClockQuality, Record
from records.types import DoorCount, Punch, TempAmbient

TILL, ZERO, STUCK = "till-quiet", "counter-zero", "value-stuck"
PUNCH, CLOCK, DEVICE = "punch-quiet", "clock-off", "device-quiet"
_MIN, _H = 60.0, 3600.0


class Roster:
    """devices: every configured one, id to driver."""

    def __init__(self, rules: Silence, devices: Mapping[str, str]) -> None:
        self._rules = rules
        self._devices = devices

    def standing(self) -> Iterator[Watch]:
        """The watches that begin with the agent."""
        till, punch, every = self._rules.till_quiet, self._rules.punch_quiet, self._rules.device_quiet
        for device in self._named(till.level, till.devices, till.drivers):
            said = f"no ticket for {till.after_min} min while the store is open"
            yield from _watch(TILL, till.level, device, None, till.after_min * _MIN, Quiet(said, TICKETS, keeps=False))
        for device in self._named(punch.level, punch.devices, punch.drivers):
            said = f"no punch in {punch.after_h:g} h of opening time"
            yield from _watch(PUNCH, punch.level, device, None, punch.after_h * _H, Quiet(said, (Punch,), keeps=True))
        expected = list(self._expected())
        yield from expected
        own = {watch.device for watch in expected}
        for device in self._named(every.level, (), every.drivers):
            if device not in own:
                said = f"no reading for {every.after_min} min while the store is open"
                quiet = Quiet(said, (), keeps=False)
                yield from _watch(DEVICE, every.level, device, None, every.after_min * _MIN, quiet)

    def met(self, device: str, record: Record) -> Iterator[Watch]:
        """The watches that this reading begins, if it is the first of its kind."""
        data = record.data
        rules: list[tuple[str, str | None]] = []
        if isinstance(data, TempAmbient) and data.celsius is not None:
            rules.append((STUCK, data.probe))
        if isinstance(data, DoorCount):
            rules.append((ZERO, None))
        if isinstance(data, WITH_CLOCK) and record.clock is ClockQuality.SOURCE:
            rules.append((CLOCK, None))
        for rule, part in rules:
            yield from self.learned(rule, device, part)

    def learned(self, rule: str, device: str, part: str | None) -> list[Watch]:
        """The watch of a rule that begins with a reading; none where it is off or for other devices."""
        made = {STUCK: self._stuck, ZERO: self._zero, CLOCK: self._clock}.get(rule)
        return made(device, part) if made and device in self._devices else []

    def _named(self, level: RuleLevel, devices: tuple[str, ...], drivers: tuple[str, ...]) -> list[str]:
        if level == "off":
            return []
        return [id_ for id_, driver in self._devices.items() if (id_ in devices if devices else driver in drivers)]

    def _expected(self) -> Iterator[Watch]:
        for entry in self._rules.expected:
            for device in entry.devices:
                quiet = Quiet(f"no reading for {entry.every_min} min", (), keeps=False)
                always = entry.when == "always"
                yield Watch(DEVICE, entry.level, device, None, entry.every_min * _MIN, quiet, always)

    def _stuck(self, device: str, part: str | None) -> list[Watch]:
        rule = self._rules.value_stuck
        if rule.devices and device not in rule.devices:
            return []
        judge = Stuck(f"the same temperature for {rule.after_h:g} h", part)
        return _watch(STUCK, rule.level, device, part, rule.after_h * _H, judge)

    def _zero(self, device: str, part: str | None) -> list[Watch]:
        rule = self._rules.counter_zero
        if rule.devices and device not in rule.devices:
            return []
        judge = Zero(f"nobody counted for {rule.after_min} min while tickets come", rule.tickets)
        return _watch(ZERO, rule.level, device, part, rule.after_min * _MIN, judge)

    def _clock(self, device: str, part: str | None) -> list[Watch]:
        rule = self._rules.clock_off
        if rule.devices and device not in rule.devices:
            return []
        judge = Off(f"its clock is off by more than {rule.by_h:g} h", rule.by_h * _H)
        return _watch(CLOCK, rule.level, device, part, rule.after_min * _MIN, judge)


def _watch(rule: str, level: RuleLevel, device: str, part: str | None, after_s: float, judge: Judge) -> list[Watch]:
    """The watch, unless it is switched off."""
    return [] if level == "off" else [Watch(rule, level, device, part, after_s, judge)]
