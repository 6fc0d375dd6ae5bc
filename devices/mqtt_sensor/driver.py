"""Thermometers behind MQTT: messages to readings, and what gateways say of who is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from devices.driver import Context, Driver, Item, Reading, Rejected
from devices.json_documents import Fault
from devices.mqtt_capture import Capture, Captured
from devices.mqtt_port import MqttPort
from devices.mqtt_sensor.options import Options
from devices.mqtt_sensor.payload import NotJson, Said, sensors
from devices.temperature import Measured, Probes
from records import ClockQuality
from records.types import DeviceHealth

_ECHO = timedelta(seconds=10)  # a gateway that says a reading on several topics does so at once
_TRUSTED = timedelta(days=1)  # a time further from ours is a clock that was never set
_AHEAD = timedelta(minutes=5)
_PRESENCE = ("availability", "LWT", "connection")


class _Told(NamedTuple):
    """The last message of a sensor, to know its echo on another topic."""

    topic: str
    payload: bytes
    at: datetime


class MqttSensors:
    """Messages in, items out."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._zone = context.timezone
        self._probes = Probes(options, context)
        self._capture = Capture()
        self._last: dict[str, _Told] = {}
        self._away: set[str] = set()

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._captured(self._capture.feed(data), at)

    def end(self, at: datetime) -> Sequence[Item]:
        return self._captured(self._capture.end(), at)

    def hear(self, topic: str, payload: bytes, at: datetime, *, retained: bool) -> Sequence[Item]:
        """A retained reading counts only where it brings its own time."""
        if (online := _presence(topic, payload)) is not None:
            return self._presence(topic, online, at)
        try:
            said = sensors(topic, payload, self._options, self._zone)
        except NotJson:
            return [Rejected(f"broken JSON on {topic}", payload, at)]
        return [item for one in said for item in self._reading(one, topic, payload, at, retained)]

    def _captured(self, found: Sequence[Captured | Fault], at: datetime) -> list[Item]:
        items: list[Item] = []
        for message in found:
            if isinstance(message, Fault):
                items.append(Rejected(message.reason, message.raw, at))
            else:
                items += self.hear(message.topic, message.payload, at, retained=False)
        return items

    def _reading(self, said: Said, topic: str, payload: bytes, at: datetime, retained: bool) -> list[Item]:
        own = said.at if said.at and -_AHEAD <= at - said.at <= _TRUSTED else None
        if (retained and own is None) or self._echoes(said.probe, topic, payload, at):
            return []
        identity = f"{said.probe}/{own.isoformat()}/{said.celsius}/{said.humidity}" if own else None
        clock = ClockQuality.SOURCE if own else None
        measured = Measured(said.probe or None, said.celsius, said.humidity, payload, clock, identity)
        return [self._probes.take(measured, own or at)]

    def _echoes(self, probe: str, topic: str, payload: bytes, at: datetime) -> bool:
        last = self._last.get(probe)
        if last and last.topic != topic and last.payload == payload and at - last.at <= _ECHO:
            return True
        self._last[probe] = _Told(topic, payload, at)
        return False

    def _presence(self, topic: str, online: bool, at: datetime) -> list[Item]:
        """Told when it changes; that a sensor is there is news only after it was not."""
        if online == (topic not in self._away):
            return []
        if online:
            self._away.discard(topic)
            return [Reading(DeviceHealth("up", f"{topic} says online"), at)]
        self._away.add(topic)
        return [Reading(DeviceHealth("silent", f"{topic} says offline"), at)]


def _presence(topic: str, payload: bytes) -> bool | None:
    """What a message says of whether a gateway or a sensor is there; None where it says nothing of it."""
    if not topic.endswith(("bridge/state", *(f"/{level}" for level in _PRESENCE))):
        return None
    text = payload.strip()
    try:
        document = msgspec.json.decode(text, type=Mapping[str, object])
        text = str(document.get("state")).encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # older versions say the bare word
    return {b"online": True, b"offline": False}.get(text.strip(b'"').lower())


def decoder(options: Options, context: Context) -> MqttSensors:
    return MqttSensors(options, context)


def device(options: Options, context: Context) -> Driver:
    return MqttPort(options, decoder(options, context))
