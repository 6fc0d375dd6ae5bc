"""What should speak and how often: the rules by which the agent tells that a device has fallen silent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.device import options_of
from config.fields import Settings
from devices.options import Name

Level = Literal["info", "warning", "high"]
RuleLevel = Literal["off", "info", "warning", "high"]
_LEVEL = "how grave its alert is; off: not watched"


def _installed(name: str) -> str:
    options_of(name)
    return name


DriverName = Annotated[str, AfterValidator(_installed)]

TILLS = ("csv-drop", "escpos-tap", "http-push", "json-drop", "pos-sql", "poslog")
PUNCH_CLOCKS = ("hikvision-acs", "zkteco", "zkteco-push")
COUNTERS = ("axis-count", "dahua-count", "hikvision-count", "milesight", "pulse-count", "xovis-count")
SENSORS = ("ble-thermometer", "dlt645", "modbus", "mqtt-sensor", "nut-ups", "w1-thermometer")


class TillQuiet(Settings):
    """A till without a ticket while the store is open."""

    level: RuleLevel = Field(default="warning", description=_LEVEL)
    after_min: int = Field(default=20, ge=1, le=1440, description="minutes of opening time without a ticket")
    drivers: tuple[DriverName, ...] = Field(default=TILLS, description="drivers whose devices are tills")
    devices: tuple[Name, ...] = Field(default=(), description="only these tills; empty: all that the drivers name")


class CounterZero(Settings):
    """A door counter that counts nobody while tickets come."""

    level: RuleLevel = Field(default="warning", description=_LEVEL)
    after_min: int = Field(default=60, ge=1, le=1440, description="minutes of opening time without anybody counted")
    tickets: int = Field(
        default=3, ge=1, le=10_000, description="tickets of any till in that time which prove customers"
    )
    devices: tuple[Name, ...] = Field(default=(), description="only these counters; empty: all that count")


class ValueStuck(Settings):
    """A thermometer that repeats one exact value."""

    level: RuleLevel = Field(default="warning", description=_LEVEL)
    after_h: float = Field(default=6, gt=0, le=240, description="hours of one value, by day and night; told while open")
    devices: tuple[Name, ...] = Field(
        default=(), description="only these; empty: every thermometer, each probe by itself"
    )


class PunchQuiet(Settings):
    """A punch clock at which nobody punches for more than a day's opening time."""

    level: RuleLevel = Field(default="warning", description=_LEVEL)
    after_h: float = Field(
        default=14, gt=0, le=240, description="hours of opening time, over closed nights, without a punch"
    )
    drivers: tuple[DriverName, ...] = Field(default=PUNCH_CLOCKS, description="drivers whose devices are punch clocks")
    devices: tuple[Name, ...] = Field(
        default=(), description="only these punch clocks; empty: all that the drivers name"
    )


class ClockOff(Settings):
    """A device whose own clock is wrong: what it sends is a day old, or of tomorrow."""

    level: RuleLevel = Field(default="warning", description=_LEVEL)
    by_h: float = Field(default=12, gt=0, le=240, description="hours by which its times differ from this box's")
    after_min: int = Field(
        default=30, ge=1, le=1440, description="minutes without one right time; late data alone is no fault"
    )
    devices: tuple[Name, ...] = Field(
        default=(), description="only these; empty: all that punch, count or take temperatures"
    )


class DeviceQuiet(Settings):
    """A device that speaks all the time and has stopped."""

    level: RuleLevel = Field(default="warning", description=_LEVEL)
    after_min: int = Field(default=60, ge=1, le=1440, description="minutes of opening time without a reading")
    drivers: tuple[DriverName, ...] = Field(
        default=(*COUNTERS, *SENSORS), description="drivers whose devices always speak"
    )


class Expected(Settings):
    """Devices that should speak every so often, whatever they are."""

    devices: tuple[Name, ...] = Field(min_length=1, description="ids of the devices")
    every_min: int = Field(ge=1, le=10_080, description="minutes in which each must bring a reading")
    when: Literal["open", "always"] = Field(default="open", description="always: by night and on holidays too")
    level: Level = Field(default="warning", description="how grave its alert is")


class Silence(Settings):
    """Each rule tells once when it is broken and once when it is well again, and only while the store is open."""

    till_quiet: TillQuiet = Field(default=TillQuiet(), description="tills without tickets")
    counter_zero: CounterZero = Field(default=CounterZero(), description="counters at zero while tickets come")
    value_stuck: ValueStuck = Field(default=ValueStuck(), description="thermometers that repeat one value")
    punch_quiet: PunchQuiet = Field(default=PunchQuiet(), description="punch clocks that nobody uses")
    clock_off: ClockOff = Field(default=ClockOff(), description="devices whose clock is wrong")
    device_quiet: DeviceQuiet = Field(default=DeviceQuiet(), description="sensors without readings")
    expected: tuple[Expected, ...] = Field(
        default=(), description="single devices with a time of their own, instead of device_quiet's"
    )
