"""What gateways publish of thermometers: JSON in the shapes of each, found by its names.

    zigbee2mqtt/<name>          {"temperature": 23.5, "humidity": 46.08, …}
    tele/<name>/SENSOR          {"Time": "…", "DS18B20": {"Temperature": 20.3}, "TempUnit": "C"}
    …/SENSOR                    {"ZbReceived": {"0x5480": {"Device": "0x5480", "Name": "…", "Temperature": 20.3}}}
    <any>                       {"sid": "…", "model": "sensor_ht", "data": "{\\"temperature\\":\\"2599\\"}"}
    <any>/temperature           23.5

JSON within a JSON text is opened; what names no temperature and no humidity says nothing. Mi gateways (the fourth) say
hundredths as text. Sources: the documentation of Zigbee2MQTT and Tasmota, payloads that their users published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

import msgspec

from devices.mqtt_sensor.options import USUAL, Options

_DEEPEST = 8
_CELSIUS = ("temperature", "Temperature")
_HUMIDITY = ("humidity", "Humidity")
_TIMES = ("last_seen", "Time")
_SCALARS = {"temperature": "celsius", "temp": "celsius", "humidity": "humidity"}
_VERBS = {"SENSOR", "STATE", "RESULT", "report", "state", "status"}
_NUMBER = re.compile(r"\s*-?\d{1,9}(?:\.\d{1,9})?\s*")
_MI_HUNDREDTHS = 0.01
_MILLISECONDS_FROM = 1e11  # an epoch of that many seconds would be the year 5138


class Said(NamedTuple):
    """What a payload says of one sensor. `at`: its own time, where it has one that can be read."""

    probe: str
    celsius: float | None
    humidity: float | None
    at: datetime | None


class NotJson(ValueError):
    """It begins as JSON and is none."""


def sensors(topic: str, payload: bytes, options: Options, zone: tzinfo) -> list[Said]:
    """Every sensor of which the message says something; `NotJson`."""
    text = payload.strip()
    name = _name_of(topic)
    if text[:1] not in (b"{", b"["):
        return _scalar(topic, text.decode("latin-1"), options)
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotJson from None
    if options.fields != USUAL:
        return _by_paths(document, name, options, zone)
    unit = "fahrenheit" if isinstance(document, dict) and document.get("TempUnit") == "F" else options.unit
    found = _walk(document, _Place(name, _time(document, _TIMES, zone), 1.0, unit == "fahrenheit"), 0)
    return [said for said in found if said.celsius is not None or said.humidity is not None]


class _Place(NamedTuple):
    """What is known on the way down: the sensor's name, its time, how its numbers are to be taken."""

    name: str
    at: datetime | None
    scale: float
    fahrenheit: bool

    def said(self, celsius: float | None, humidity: float | None) -> Said:
        degrees = None if celsius is None else celsius * self.scale
        if degrees is not None and self.fahrenheit:
            degrees = (degrees - 32) / 1.8
        return Said(
            self.name,
            None if degrees is None else round(degrees, 4),
            None if humidity is None else round(humidity * self.scale, 4),
            self.at,
        )


def _walk(value: object, place: _Place, depth: int) -> Iterator[Said]:
    value = _opened(value)
    if depth > _DEEPEST or not isinstance(value, dict):
        return
    if isinstance(value.get("sid"), str) and "data" in value:
        place = place._replace(name=value["sid"], scale=_MI_HUNDREDTHS)
    yield place.said(_first(value, _CELSIUS), _first(value, _HUMIDITY))
    for key, inner in value.items():
        if key == "ZbReceived" and isinstance(inner, dict):
            for device, told in inner.items():
                yield from _walk(told, place._replace(name=_zigbee_name(device, told)), depth + 2)
        elif isinstance(_opened(inner), dict):
            below = place if key == "data" else place._replace(name=f"{place.name}-{key}")
            yield from _walk(inner, below, depth + 1)


def _zigbee_name(device: str, told: object) -> str:
    name = told.get("Name") if isinstance(told, dict) else None
    return name if isinstance(name, str) and name else device


def _opened(value: object) -> object:
    """JSON that stands in a JSON text."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value


def _by_paths(document: object, name: str, options: Options, zone: tzinfo) -> list[Said]:
    paths = options.fields
    probe = _at(document, paths.probe)
    told = _at(document, paths.at)
    place = _Place(
        str(probe) if isinstance(probe, str | int) else name,
        _instant(told, zone),
        options.scale,
        options.unit == "fahrenheit",
    )
    said = place.said(_number(_at(document, paths.celsius)), _number(_at(document, paths.humidity)))
    return [said] if said.celsius is not None or said.humidity is not None else []


def _at(value: object, path: str | None) -> object:
    for key in path.split(".") if path else ():
        value = _opened(value)
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value if path else None


def _scalar(topic: str, text: str, options: Options) -> list[Said]:
    above, _, last = topic.rpartition("/")
    kind = _SCALARS.get(last.lower())
    if kind is None or _NUMBER.fullmatch(text) is None:
        return []
    place = _Place(_name_of(above), None, options.scale, options.unit == "fahrenheit")
    number = float(text)
    return [place.said(number, None) if kind == "celsius" else place.said(None, number)]


def _name_of(topic: str) -> str:
    """The sensor in a topic: what stands between the gateway's own level and its verb."""
    levels = [level for level in topic.split("/") if level]
    while len(levels) > 1 and levels[-1] in _VERBS:
        levels.pop()
    return "/".join(levels[1:] or levels) or topic


def _first(value: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    return next((number for name in names if (number := _number(value.get(name))) is not None), None)


def _number(value: object) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _time(document: object, names: tuple[str, ...], zone: tzinfo) -> datetime | None:
    if not isinstance(document, dict):
        return None
    return next((at for name in names if (at := _instant(document.get(name), zone))), None)


def _instant(value: object, zone: tzinfo) -> datetime | None:
    """A time as text, or as seconds or milliseconds of the epoch."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
