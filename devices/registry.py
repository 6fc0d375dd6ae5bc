"""Which drivers there are: ours by folder, others by the entry-point group `store_edge.devices`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from random import Random
from typing import NamedTuple, cast

from devices.driver import Context, Decoder, Driver, Receiver
from devices.options import Options
from devices.simulator import Answerer, Message

GROUP = "store_edge.devices"

BUILT_IN = {
    "axis-count": "devices.axis_count",
    "ble-thermometer": "devices.ble_thermometer",
    "camera": "devices.camera",
    "csv-drop": "devices.csv_drop",
    "dahua-count": "devices.dahua_count",
    "dlt645": "devices.dlt645",
    "escpos-tap": "devices.escpos_tap",
    "hikvision-acs": "devices.hikvision_acs",
    "hikvision-count": "devices.hikvision_count",
    "http-push": "devices.http_push",
    "ir-thermometer": "devices.ir_thermometer",
    "json-drop": "devices.json_drop",
    "milesight": "devices.milesight",
    "modbus": "devices.modbus",
    "mqtt-sensor": "devices.mqtt_sensor",
    "nut-ups": "devices.nut_ups",
    "pos-sql": "devices.pos_sql",
    "poslog": "devices.poslog",
    "pulse-count": "devices.pulse_count",
    "scale": "devices.scale",
    "scanner-evdev": "devices.scanner_evdev",
    "scanner-serial": "devices.scanner_serial",
    "w1-thermometer": "devices.w1_thermometer",
    "wifi-probe": "devices.wifi_probe",
    "xovis-count": "devices.xovis_count",
    "zkteco": "devices.zkteco",
    "zkteco-push": "devices.zkteco_push",
}


class UnknownDriver(KeyError):
    """No driver of that name is installed."""


class DriverPackage(NamedTuple):
    """A driver's folder. Each property imports only the module it names."""

    name: str
    package: str

    @property
    def options(self) -> type[Options]:
        return cast(type[Options], import_module(f"{self.package}.options").Options)

    @property
    def decoder(self) -> Callable[[Options, Context], Decoder]:
        return cast(Callable[[Options, Context], Decoder], import_module(f"{self.package}.driver").decoder)

    @property
    def device(self) -> Callable[[Options, Context], Driver | Receiver]:
        return cast(Callable[[Options, Context], Driver | Receiver], import_module(f"{self.package}.driver").device)

    @property
    def messages(self) -> Callable[[Random, datetime, timedelta], Iterator[Message]]:
        module = import_module(f"{self.package}.simulator")
        return cast(Callable[[Random, datetime, timedelta], Iterator[Message]], module.messages)

    @property
    def answerer(self) -> Callable[[Random], Answerer] | None:
        """The simulated device of a driver that asks; None where devices speak of their own accord."""
        module = import_module(f"{self.package}.simulator")
        return cast(Callable[[Random], Answerer] | None, getattr(module, "answerer", None))


@cache
def drivers() -> dict[str, DriverPackage]:
    """Every installed driver by name; ours win over another distribution's of the same name."""
    found = {point.name: point.value for point in entry_points(group=GROUP)} | BUILT_IN
    return {name: DriverPackage(name, found[name]) for name in sorted(found)}


def driver(name: str) -> DriverPackage:
    """The driver of that name, or `UnknownDriver`."""
    try:
        return drivers()[name]
    except KeyError:
        raise UnknownDriver(name) from None
