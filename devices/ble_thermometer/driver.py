"""Bluetooth tags: what gateways heard to readings. Everybody else's advertisements are passed over unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from devices.ble_thermometer import makers, services
from devices.ble_thermometer.advert import Advert, Said, Tag, advert_of
from devices.ble_thermometer.options import Options, short
from devices.driver import Context, Driver, Item, Rejected
from devices.json_documents import Fault
from devices.mqtt_capture import Capture, Captured
from devices.mqtt_port import MqttPort
from devices.temperature import Measured, Probes

_DECODED = ("tempc", *(f"tempc{place}" for place in range(1, 7)))


class BleDecoder:
    """What a gateway published, as messages or captured. interval_s: in which a probe is told once; 0 tells all."""

    def __init__(self, options: Options, context: Context, interval_s: float) -> None:
        self._probes = Probes(options, context)
        self._capture = Capture()
        self._interval = timedelta(seconds=interval_s)
        self._told: dict[tuple[str, bool, bool], datetime] = {}

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._captured(self._capture.feed(data), at)

    def end(self, at: datetime) -> Sequence[Item]:
        return self._captured(self._capture.end(), at)

    def hear(self, topic: str, payload: bytes, at: datetime, *, retained: bool) -> Sequence[Item]:
        """A retained reading is of a time that nobody knows."""
        if retained:
            return []
        try:
            told = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [Rejected(f"no JSON on {topic}", payload, at)] if payload.lstrip().startswith(b"{") else []
        advert = advert_of(told)
        tag = tag_of(advert) or _decoded(told)
        return self._items(advert, tag, payload, at) if tag else []

    def _captured(self, found: Sequence[Captured | Fault], at: datetime) -> list[Item]:
        items: list[Item] = []
        for message in found:
            if isinstance(message, Fault):
                items.append(Rejected(message.reason, message.raw, at))
            else:
                items += self.hear(message.topic, message.payload, at, retained=False)
        return items

    def _items(self, advert: Advert, tag: Tag, raw: bytes, at: datetime) -> list[Item]:
        name = short(advert.address or tag.address) or tag.model
        if tag.fault:
            due = self._probes.lists(name) and self._due(name, Said(None), at)
            return [Rejected(f"what {name} says {tag.fault}", raw, at)] if due else []
        items: list[Item] = []
        for said in tag.said:
            probe = f"{name}-{said.probe}" if said.probe else name
            if (self._probes.lists(name) or self._probes.lists(probe)) and self._due(probe, said, at):
                items.append(self._probes.take(Measured(probe, said.celsius, said.humidity, raw), at))
        return items

    def _due(self, probe: str, said: Said, at: datetime) -> bool:
        """Some tags say temperature and humidity in turn: each has its own time."""
        key = (probe, said.celsius is not None, said.humidity is not None)
        last = self._told.get(key)
        if last is not None and timedelta(0) <= at - last < self._interval:
            return False
        self._told[key] = at
        return True


def tag_of(advert: Advert) -> Tag | None:
    """The thermometer that advertises so; None for everything else."""
    by_service = services.tag_of(advert)
    if by_service and by_service.said:
        return by_service
    return makers.tag_of(advert) or by_service


def _decoded(told: Mapping[str, object]) -> Tag | None:
    """What the gateway has made of an advertisement itself."""
    said = tuple(
        Said(float(value), _humidity(told) if key == "tempc" else None, key.removeprefix("tempc"))
        for key in _DECODED
        if isinstance(value := told.get(key), int | float) and not isinstance(value, bool)
    )
    return Tag(str(told.get("model_id") or "tag").lower(), said) if said else None


def _humidity(told: Mapping[str, object]) -> float | None:
    value = told.get("hum")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def decoder(options: Options, context: Context) -> BleDecoder:
    return BleDecoder(options, context, 0)


def device(options: Options, context: Context) -> Driver:
    return MqttPort(options, BleDecoder(options, context, options.interval_s))
