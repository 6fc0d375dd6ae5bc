"""A store whose time passes when told: what its rules of silence say, minute by minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from config.opening import OpeningHours
from config.silence import Silence as Rules
from edge_agent.clock import Now
from edge_agent.silence.core import Heard, Silence, Tick
from edge_agent.silence.roster import Roster
from edge_agent.silence.watch import Effect, Health, Keep, Say
from records import ClockQuality, Record
from records.types import DoorCount, PosSale, Punch, TempAmbient

ZONE = ZoneInfo("Asia/Shanghai")
DEVICES = {"till-1": "csv-drop", "door-1": "hikvision-count", "cold-1": "modbus", "punch-1": "zkteco"}
HOURS = {"daily": "09:00-21:00"}
SALE = PosSale(source_id="1", transaction_id="1", total=Decimal(1))


class Shop:
    """rules, hours: as the YAML would say them; kept: what the buffer holds, kept up as the agent does."""

    def __init__(
        self,
        at: str,
        rules: Mapping[str, Any],
        kept: dict[str, bytes] | None = None,
        devices: Mapping[str, str] = DEVICES,
        hours: Mapping[str, Any] = HOURS,
    ) -> None:
        self.now = Now(datetime.fromisoformat(at).replace(tzinfo=ZONE).astimezone(UTC), 500.0, ClockQuality.SYNCED)
        self.kept: dict[str, bytes] = kept if kept is not None else {}
        self.said: list[tuple[str, str, str]] = []
        self.health: list[tuple[str, str]] = []
        self.opening = OpeningHours.model_validate(hours)
        roster = Roster(Rules.model_validate(rules), devices)
        self.silence = Silence(roster, dict(self.kept), lambda at: self.opening.is_open(at, ZONE))
        self._do(self.silence.step(Tick(), self.now))

    def bring(self, device: str, *said: msgspec.Struct, age: timedelta = timedelta(0)) -> None:
        """What a device says now; its own clock stamps it, `age` ago."""
        records = [Record(device, self.now.wall - age, data, 0, ClockQuality.SOURCE) for data in said]
        self._do(self.silence.step(Heard(device, records), self.now))

    def wait(self, minutes: float, every_min: Callable[[], None] = lambda: None) -> None:
        """Time passes; `every_min` is done each minute of it, and the rules look three times a minute."""
        for step in range(int(minutes * 3)):
            if step % 3 == 0:
                every_min()
            self.now = self.now._replace(wall=self.now.wall + timedelta(seconds=20), mono=self.now.mono + 20)
            self._do(self.silence.step(Tick(), self.now))

    def until(self, at: str, every_min: Callable[[], None] = lambda: None) -> None:
        """As `wait`, up to a local time."""
        there = datetime.fromisoformat(at).replace(tzinfo=ZONE)
        self.wait((there - self.now.wall) / timedelta(minutes=1), every_min)

    def jump(self, span: timedelta) -> None:
        """The wall clock is set; no time passes."""
        self.now = self.now._replace(wall=self.now.wall + span)

    @property
    def local(self) -> str:
        return self.now.wall.astimezone(ZONE).strftime("%H:%M")

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Say(_, alert, key, kept):
                    self.said.append((self.local, alert.rule, "opened" if alert.closed is None else "closed"))
                    self._keep(key, kept)
                case Keep(key, kept):
                    self._keep(key, kept)
                case Health(device, health):
                    self.health.append((device, health.state))

    def _keep(self, key: str, kept: bytes | None) -> None:
        if kept is None:
            self.kept.pop(key, None)
        else:
            self.kept[key] = kept


def people(count: int) -> DoorCount:
    return DoorCount(in_=count, out=0)


def cold(celsius: float) -> TempAmbient:
    return TempAmbient(celsius, "freezer-1")


PUNCH = Punch(source_id="1", person="p-1")
