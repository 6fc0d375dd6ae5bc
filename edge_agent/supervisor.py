"""Keeping one device read: opens, reads, closes, waits, tries again, and says once when it is lost and once when back.

The only broad `except` of the agent stands here: a driver's bug must not stop the other devices.

    down ──Works──▶ up ──Works──▶ up          Failed: ──▶ down, wait 1, 2, 4 … 60 s, with full jitter

A port that can be opened proves no device behind it: a lost one is up again when it has brought a reading, or has been
open for a while.

What a driver says of its device may quote it (a database names the value that it stumbled over): it is masked before
log, heartbeat and record have it.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import NamedTuple

from devices.driver import DeviceOffline, Driver, Item, Reading
from edge_agent.cleaning.text import mask
from edge_agent.intake import Intake
from edge_agent.recorder.desk import BufferFull
from edge_agent.station import Station
from records.types import DeviceHealth

READ_S = 1.0
FULL_S = 1.0
STEADY_S = 30.0
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
log = logging.getLogger(__name__)


class Works(NamedTuple):
    """The device brought a reading, or has been open for `STEADY_S`."""


class Failed(NamedTuple):
    """It does not, for this reason."""

    reason: str


class Say(NamedTuple):
    """A health record to make."""

    health: DeviceHealth


class Wait(NamedTuple):
    """How long until the next try."""

    seconds: float


@dataclass
class Supervision:
    """What is known of one device. A device is taken to be up until it is not."""

    random: Random
    up: bool = True
    failures: int = field(default=0)

    def step(self, event: Works | Failed) -> list[Say | Wait]:
        match event:
            case Works():
                self.failures = 0
                returned, self.up = not self.up, True
                return [Say(DeviceHealth(state="up"))] if returned else []
            case Failed(reason):
                span = min(_FIRST_WAIT_S * 2**self.failures, _LONGEST_WAIT_S)
                self.failures = min(self.failures + 1, 16)
                lost, self.up = self.up, False
                wait = Wait(self.random.uniform(span / 2, span))
                return [Say(DeviceHealth(state="down", reason=reason)), wait] if lost else [wait]


def supervise(driver: Driver, station: Station, intake: Intake, stop: threading.Event) -> None:
    """One device's thread: reads it until `stop`."""
    supervision = Supervision(SystemRandom())
    while not stop.is_set():
        try:
            driver.open()
            steady_at = intake.clock.now().mono + STEADY_S
            while not stop.is_set():
                brought = _read(driver, station, intake, stop)
                if supervision.failures and (brought or intake.clock.now().mono >= steady_at):
                    _apply(supervision.step(Works()), station, intake, stop)
        except DeviceOffline as lost:
            driver.close()
            _apply(supervision.step(Failed(mask(str(lost)))), station, intake, stop)
        except Exception as bug:  # noqa: BLE001 (the one place: see the docstring of the module)
            where = traceback.extract_tb(bug.__traceback__)[-1]  # not the message: it may quote what was read
            log.error("event=driver-failed device=%s error=%s at=%s:%s", station.id, type(bug).__name__, *where[:2])
            driver.close()
            _apply(supervision.step(Failed(f"the driver failed: {type(bug).__name__}")), station, intake, stop)
    driver.close()


def _read(driver: Driver, station: Station, intake: Intake, stop: threading.Event) -> bool:
    """Whether it brought a reading."""
    taken = driver.read(READ_S)
    station.beat()
    if taken.note:
        log.warning("event=device-note device=%s note=%r", station.id, mask(taken.note))
    if taken.confirm is None:
        if taken.items:
            intake.take(station, taken.items, waits=False)
    elif _kept(taken.items, station, intake, stop):
        taken.confirm()
    return any(isinstance(item, Reading) for item in taken.items)


def _kept(items: Sequence[Item], station: Station, intake: Intake, stop: threading.Event) -> bool:
    """Hands over until there is room for it; False when the agent stops first."""
    while items:
        try:
            intake.take(station, items, waits=True).result()
            return True
        except BufferFull:
            station.beat()
            if stop.wait(FULL_S):
                return False
    return True


def _apply(effects: list[Say | Wait], station: Station, intake: Intake, stop: threading.Event) -> None:
    for effect in effects:
        match effect:
            case Say(health):
                station.state, station.reason = health.state, health.reason
                state, reason = station.standing  # it may be up and silent all the same
                log.warning("event=device-%s device=%s reason=%r", state, station.id, reason or "")
                intake.say(station, DeviceHealth(state, reason))
            case Wait(seconds):
                while seconds > 0 and not stop.wait(min(seconds, READ_S)):
                    seconds -= READ_S
                    station.beat()
