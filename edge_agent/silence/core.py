"""The rules' state machine: what devices bring and the time go in, alerts and states of health come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from edge_agent.clock import Now
from edge_agent.silence.judges import TICKETS, Off, Zero
from edge_agent.silence.roster import Roster
from edge_agent.silence.watch import Effect, Health, Keep, Kept, Say, Watch
from records import Record
from records.types import Alert, DeviceHealth, TempAmbient

LONGEST_TICK_S = 60.0  # a box that was suspended heard nothing, which is no silence of a device
STEP = timedelta(seconds=60)
MOST_MET = 4096  # a gateway may name any number of probes


class Heard(NamedTuple):
    """What a device brought, cleaned."""

    device: str
    records: Sequence[Record]


class Tick(NamedTuple):
    """Time passed."""


class Silence:
    """Every watch of a store. kept: what the buffer holds of them; is_open: whether the store is, at an aware time."""

    def __init__(self, roster: Roster, kept: Mapping[str, bytes], is_open: Callable[[datetime], bool]) -> None:
        self._roster = roster
        self._is_open = is_open
        self._watches: dict[str, dict[str, Watch]] = {}
        self._zeros: list[Zero] = []
        self._met: set[tuple[str, type, str | None]] = set()
        self._last: Now | None = None
        for watch in roster.standing():
            self._add(watch)
        self._orphans = [(key, was) for key, raw in kept.items() if (was := self._restore(key, raw))]

    def silent(self) -> dict[str, str]:
        """Why each device is silent that is, by its id."""
        watches = (watch for watches in self._watches.values() for watch in watches.values())
        return {watch.device: watch.judge.reason for watch in watches if watch.opened}

    def step(self, event: Heard | Tick, now: Now) -> list[Effect]:
        match event:
            case Heard(device, records):
                return [effect for record in records for effect in self._heard(device, record, now)]
            case Tick():
                return self._tick(now)

    def _restore(self, key: str, raw: bytes) -> Kept | None:
        """What is kept of a watch that the configuration no longer has."""
        try:
            kept = msgspec.json.decode(raw, type=Kept)
        except msgspec.DecodeError:  # another release's
            return Kept("info")
        rule, _, subject = key.partition("/")
        device, _, part = subject.partition("/")
        for watch in self._roster.learned(rule, device, part or None):
            self._add(watch)
        if key not in self._watches.get(device, {}):
            return kept
        self._watches[device][key].restore(kept)
        return None

    def _add(self, watch: Watch) -> None:
        added = self._watches.setdefault(watch.device, {}).setdefault(watch.key, watch)
        if added is watch and isinstance(watch.judge, Zero):
            self._zeros.append(watch.judge)

    def _heard(self, device: str, record: Record, now: Now) -> list[Effect]:
        self._meet(device, record)
        if isinstance(record.data, TICKETS):
            for zero in self._zeros:
                zero.sold += 1
        effects: list[Effect] = []
        for watch in self._watches.get(device, {}).values():
            if told := watch.hear(record, now):
                effects += self._with_health(watch, told)
        return effects

    def _meet(self, device: str, record: Record) -> None:
        """Begins the watches that a first reading of its kind asks for."""
        probe = record.data.probe if isinstance(record.data, TempAmbient) else None
        ident = (device, type(record.data), probe)
        if ident not in self._met and len(self._met) < MOST_MET:
            self._met.add(ident)
            for watch in self._roster.met(device, record):
                self._add(watch)

    def _tick(self, now: Now) -> list[Effect]:
        last, self._last = self._last, now
        if last is None:
            return self._bury(now)
        passed = now.mono - last.mono
        stepped = abs((now.wall - last.wall) - timedelta(seconds=passed)) > STEP
        is_open = self._is_open(now.wall)
        effects: list[Effect] = []
        for watches in self._watches.values():
            for watch in watches.values():
                if stepped and isinstance(watch.judge, Off) and watch.opened is None:
                    watch.begin_anew()
                if told := watch.pass_time(min(passed, LONGEST_TICK_S), now, is_open):
                    effects += self._with_health(watch, told)
        return effects

    def _bury(self, now: Now) -> list[Effect]:
        """Closes the alerts of devices and rules that are no longer there."""
        effects: list[Effect] = []
        for key, kept in self._orphans:
            rule, _, subject = key.partition("/")
            device = subject.partition("/")[0]
            if kept.opened is None:
                effects.append(Keep(key, None))
            else:
                effects.append(Say(device, Alert(rule, kept.level, subject, kept.opened, now.wall), key, None))
                if device not in self.silent():
                    effects.append(Health(device, DeviceHealth("up")))
        return effects

    def _with_health(self, watch: Watch, told: list[Effect]) -> list[Effect]:
        """A device is silent from its first open alert to the end of its last."""
        others = any(one.opened for one in self._watches[watch.device].values() if one is not watch)
        if others or not any(isinstance(effect, Say) for effect in told):
            return told
        state = DeviceHealth("silent", watch.judge.reason) if watch.opened else DeviceHealth("up")
        return [*told, Health(watch.device, state)]
