"""Uplinks in what gateways and network servers forward: whose they are, and their payload or what a server made of it.

    ChirpStack 4        {"deviceInfo": {"devEui", "deviceName"}, "time", "fCnt", "fPort", "data": base64, "object": {…}}
    ChirpStack 3        {"devEUI", "deviceName", "fCnt", "fPort", "data": base64, "objectJSON": "{…}"}
    The Things Stack    {"end_device_ids": {"device_id", "dev_eui"}, "received_at", "uplink_message": {"f_cnt",
                         "f_port", "frm_payload": base64, "decoded_payload": {…}, "received_at"}}
    Milesight gateway   {"devEUI", "deviceName", "time", "fCnt", "fPort", "data": base64}, or values beside devEUI
    Milesight over IP   {"device_info": {"device_sn"}, "time_info": {"end_time"}, "line_periodic_data": [{"line",
                         "total": {"in", "out"}}], "line_total_data": [{"line", "total": {"in_counted", …}}]}
    Disruptive          {"targetName", "eventType", "data": {"contact": {"state": "OPEN", "updateTime"}}}
    others              {"payloadHex"}, {"reports": [{"serialNumber", "timestamp", "value": hex}]}

Nothing else of a document is needed, so that uplinks are found by these names wherever they stand. Sources: documents
of the servers named; payloads wrapped by them.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from devices.counter import BITS_32, utc

_NAMES = ("devicename", "deviceid", "deveui", "serialnumber", "uid", "devicesn", "sn", "targetname")
_EUIS = ("deveui", "devicesn", "serialnumber", "uid", "sn", "targetname", "deviceid", "devicename")
_TIMES = ("endtime", "time", "receivedat", "timestamp", "updatetime")
_HEX = ("payloadhex", "payload", "value", "hexdata", "rawpayload")
_BASE64 = ("data", "frmpayload", "payloadraw", "bytes")
_DECODED = ("object", "objectjson", "decodedpayload", "payloadfields", "data", "value")
_EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)  # LoRaWAN's first year: a time before it is a clock that was never set
_MS = 100_000_000_000
_AROUND = ("deviceinfo", "enddeviceids", "timeinfo")
_DEEPEST = 12
Node = Mapping[str, Any]


class Origin(NamedTuple):
    """Whose uplink it is and when: what stands around a payload.

    device: what tells it from others; name: what people call it; frame: its number; time: the server's
    """

    device: str = ""
    name: str = ""
    frame: int | None = None
    port: int | None = None
    time: datetime | None = None


class Uplink(NamedTuple):
    """payloads: what its text may mean, the likelier first; decoded: what the server made of it."""

    origin: Origin
    payloads: tuple[bytes, ...] = ()
    decoded: Node = MappingProxyType({})


def uplinks(document: object, zone: ZoneInfo) -> Iterator[Uplink]:
    """Every uplink in a document, in order. zone: of times without an offset."""
    yield from _Finder(zone).within(document, Origin(), 0)


def is_of_server(document: object) -> bool:
    """Whether it is a server's document that brings no uplink: a join, an acknowledgement, a status."""
    return isinstance(document, dict) and bool(
        document.keys()
        & {"deviceInfo", "devEUI", "end_device_ids", "eventType", "reports", "applicationID", "device_info"}
    )


class _Finder:
    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def within(self, value: object, around: Origin, depth: int) -> Iterator[Uplink]:
        if depth > _DEEPEST:
            return
        if isinstance(value, list):
            for inner in value:
                yield from self.within(inner, around, depth + 1)
        elif isinstance(value, dict):
            node = {_plain(key): inner for key, inner in value.items()}
            origin = self._origin(node, around)
            payloads, decoded = tuple(_payloads(node)), _decoded(node)
            if payloads or decoded:
                yield Uplink(origin, payloads, decoded)
                return
            for inner in value.values():
                yield from self.within(inner, origin, depth + 1)

    def _origin(self, node: Node, around: Origin) -> Origin:
        told: dict[str, Any] = {}
        for part in (node.get(name) for name in _AROUND):
            told |= {_plain(key): value for key, value in part.items()} if isinstance(part, dict) else {}
        told |= node
        frame, port, other = (_integer(told.get(name)) for name in ("fcnt", "fport", "port"))
        return Origin(
            _text(told, _EUIS) or around.device,
            _text(told, _NAMES).rpartition("/")[2] or around.name,
            around.frame if frame is None else frame,
            next((known for known in (port, other) if known is not None), around.port),
            next((time for name in _TIMES if (time := _time(told.get(name), self._zone))), around.time),
        )


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _payloads(node: Node) -> Iterator[bytes]:
    for name in _HEX:
        if (found := _hex(node.get(name))) is not None:
            yield found
    for name in _BASE64:
        text = node.get(name)
        if isinstance(text, str):
            yield from (payload for payload in (_base64(text), _hex(text)) if payload)


def _decoded(node: Node) -> Node:
    if "eventtype" in node and isinstance(node.get("data"), dict):
        return node
    if lines := {**_lines(node, "lineperiodicdata", "period"), **_lines(node, "linetotaldata", "total")}:
        return lines
    for name in _DECODED:
        inner = node.get(name)
        if isinstance(inner, str) and inner.lstrip().startswith("{"):
            inner = _json(inner)
        if isinstance(inner, dict) and _is_wanted(inner):
            return {**node, **{_plain(key): value for key, value in inner.items()}}
    return node if _is_wanted(node) else {}


def _lines(node: Node, name: str, kind: str) -> dict[str, Any]:
    """Counts of a sensor that is on the network itself, under the names that servers give them."""
    found: dict[str, Any] = {}
    told = node.get(name)
    for entry in told if isinstance(told, list) else ():
        whole = entry.get("total", entry) if isinstance(entry, dict) else None
        line = _integer(entry.get("line")) if isinstance(entry, dict) else None
        if isinstance(whole, dict) and line:
            for side in ("in", "out"):
                found[f"line{line}{kind}{side}"] = whole.get(f"{side}_counted", whole.get(side))
    return found


VALUE = re.compile(
    r"(?:line(?P<line>[1-9]))?(?:people)?(?P<kind>total|period|periodic)?(?:counter|count)?(?P<side>in|out)"
)
"""Names of counts, without what is no letter or digit: line_1_total_in, periodic_counter_out, people_in, in."""


TEMPERATURES: Mapping[str, tuple[str, ...]] = {
    "": ("temperature", "temperature1", "internaltemperature", "tempcsht", "tempc1"),
    "2": ("temperature2", "exttemperature", "externaltemperature", "tempcds", "tempc2", "c2temperature"),
    "3": ("temperature3", "tempc3", "c3temperature"),
}
"""Names of temperatures in °C, by what tells the probe from a sensor's own."""

HUMIDITIES = ("humidity", "humsht")
_WARM = {name for names in TEMPERATURES.values() for name in names}


def number(value: object) -> float | None:
    """A number, also where it is written as text."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,4}(\.[0-9]{1,6})?", value):
        return float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_wanted(node: Node) -> bool:
    return any(
        (_integer(value) is not None and VALUE.fullmatch(_plain(key)))
        or (_plain(key) in _WARM and number(value) is not None)
        for key, value in node.items()
    )


def _json(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _text(node: Node, names: tuple[str, ...]) -> str:
    return next((found for name in names if isinstance(found := node.get(name), str) and found), "")


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < BITS_32 else None


def _hex(text: object) -> bytes | None:
    if not isinstance(text, str) or len(text) < 4:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def _base64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _time(value: object, zone: ZoneInfo) -> datetime | None:
    try:
        if isinstance(value, str) and not value.isdigit():
            found = datetime.fromisoformat(value)
        elif isinstance(value, int | float | str):
            number = float(value)
            found = datetime.fromtimestamp(number / 1000 if number >= _MS else number, UTC)
        else:
            return None
        time = utc(found, zone)
    except (ValueError, OverflowError, OSError):
        return None
    return time if time >= _EARLIEST else None
