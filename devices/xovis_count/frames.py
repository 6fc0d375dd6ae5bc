"""What Xovis sensors push, in JSON, firmware 4 and 5: crossings as they happen, and counts by interval.

    5  {"live_data": {"package_info": {"id": 150, "agent_id": 1005}, "frames": [{"time": ms, "tracked_objects":
        [{"track_id": 490, "type": "PERSON"}], "events": [{"type": "LINE_CROSS_FORWARD", "attributes":
        {"track_id": 490, "geometry_name": "Line 0"}}]}]}}
    5  {"logics_data": {"package_info": …, "logics": [{"name": "Line 0", "records": [{"from": ms, "to": ms, "counts":
        [{"name": "fw", "value": 1}, {"name": "bw", "value": 0}]}]}]}}
    5  {"status_data": …}                               the sensor's health: counts nobody
    4  {"content": {"element": [{"element-name": "Line 0", "measurement": [{"from": …, "to": …, "value":
        [{"label": "fw", "value": 1}, …]}]}]}}
    4  {"values": [{"timestamp": ms, "type": "LineCount", "direction": "forward", "object": {"id": 3006},
        "countItem": {"name": "Line 0"}, "objectType": "PERSON"}]}

Times are epoch milliseconds or ISO 8601. `package_info.id` rises by one with each package of an agent. A GROUP crosses
besides the persons in it. A `LineCrossing` precedes each `LineCount` and counts nobody. Sources: pushes of PC2S sensors
of both generations, and the maker's SDK.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from devices.counter import BITS_32, utc

_SIDES = {"fw": 0, "forward": 0, "in": 0, "bw": 1, "backward": 1, "out": 1}
_CROSSINGS = {"LINE_CROSS_FORWARD": 0, "LINE_CROSS_BACKWARD": 1}
_MS = 100_000_000_000  # epoch times above are milliseconds: as seconds they would be after the year 5000
Node = Mapping[str, Any]


class Unreadable(ValueError):
    """A package lacks something or makes no sense."""


class Package(NamedTuple):
    """Which package of which agent; `number` None where the sensor does not number them."""

    agent: str
    number: int | None


class Crossing(NamedTuple):
    """One person over a line. `side`: 0 forward, 1 backward; `track`: which of the sensor's objects."""

    line: str
    at: datetime
    side: int
    track: str


class Interval(NamedTuple):
    """Who crossed a line between two instants."""

    line: str
    begin: datetime
    end: datetime
    forward: int
    backward: int


class Push(NamedTuple):
    """All that one document says of lines."""

    package: Package
    crossings: list[Crossing]
    intervals: list[Interval]


def read(document: object, zone: ZoneInfo) -> Push:
    """What a document counts, perhaps nothing; `Unreadable`. zone: of times without an offset."""
    if not isinstance(document, dict):
        raise Unreadable("no object")
    try:
        for name, reader in _READERS.items():
            if name in document:
                part = document[name] if name.endswith("_data") else document
                return reader(part, zone)
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"a package that lacks something: {type(error).__name__}") from None
    raise Unreadable("neither live_data nor logics_data nor a package of firmware 4")


def _live(part: Node, zone: ZoneInfo) -> Push:
    crossings = [crossing for frame in part["frames"] for crossing in _crossings(frame, zone)]
    return Push(_package(part), crossings, [])


def _crossings(frame: Node, zone: ZoneInfo) -> Iterator[Crossing]:
    groups = {found["track_id"] for found in frame.get("tracked_objects", ()) if found.get("type") == "GROUP"}
    for event in frame.get("events", ()):
        side, told = _CROSSINGS.get(event.get("type", "")), event.get("attributes", {})
        if side is not None and told.get("track_id") not in groups:
            track = f"{told.get('track_id')}/{told.get('sequence_number', 0)}"
            yield Crossing(_name(told, "geometry_name", "geometry_id"), _time(frame["time"], zone), side, track)


def _logics(part: Node, zone: ZoneInfo) -> Push:
    found = [
        _interval(_name(logic, "name", "id"), record, record["counts"], "name", zone)
        for logic in part["logics"]
        for record in logic["records"]
    ]
    return Push(_package(part), [], _known(found))


def _elements(document: Node, zone: ZoneInfo) -> Push:
    """Firmware 4: intervals."""
    elements = document["content"]["element"]
    found = [
        _interval(_name(element, "element-name", "element-id"), measured, measured["value"], "label", zone)
        for element in ([elements] if isinstance(elements, dict) else elements)
        for measured in element.get("measurement", ())
    ]
    return Push(_package(document), [], _known(found))


def _values(document: Node, zone: ZoneInfo) -> Push:
    """Firmware 4: crossings."""
    crossings = [
        Crossing(
            _name(value["countItem"], "name", "id"),
            _time(value["timestamp"], zone),
            _SIDES[str(value["direction"]).lower()],
            str(value.get("object", {}).get("id")),
        )
        for value in document["values"]
        if value.get("type") == "LineCount" and value.get("objectType") != "GROUP"
    ]
    return Push(_package(document), crossings, [])


def _status(part: Node, zone: ZoneInfo) -> Push:  # noqa: ARG001 - one of the readers
    return Push(_package(part), [], [])


_READERS = {
    "live_data": _live,
    "logics_data": _logics,
    "status_data": _status,
    "content": _elements,
    "values": _values,
}


def _package(part: Node) -> Package:
    info = part.get("package_info") or part.get("package-info") or {}
    number = info.get("id")
    sound = isinstance(number, int) and 0 <= number < BITS_32
    return Package(str(info.get("agent_id", info.get("agent-id", ""))), number if sound else None)


def _interval(line: str, span: Node, counts: Iterable[Node], label: str, zone: ZoneInfo) -> Interval | None:
    """None where neither direction is counted, as in the balance of a zone."""
    people: dict[int, int] = {}
    for count in counts:
        side = _SIDES.get(str(count.get(label)).lower())
        if side is not None:
            people[side] = people.get(side, 0) + _people(count["value"])
    if not people:
        return None
    return Interval(line, _time(span["from"], zone), _time(span["to"], zone), people.get(0, 0), people.get(1, 0))


def _known(found: Iterable[Interval | None]) -> list[Interval]:
    return [interval for interval in found if interval is not None]


def _people(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Unreadable("a count that is no number")
    return int(text)


def _name(node: Node, first: str, second: str) -> str:
    """Named with hyphens or underscores."""
    for key in (first, first.replace("-", "_"), second, second.replace("-", "_")):
        if node.get(key) not in (None, ""):
            return str(node[key])
    return ""


def _time(value: object, zone: ZoneInfo) -> datetime:
    text = str(value)
    try:
        if text.isascii() and text.isdigit():
            number = int(text)
            return utc(datetime.fromtimestamp(number / 1000 if number >= _MS else number, UTC), zone)
        return utc(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError, OSError):
        raise Unreadable("a time that cannot be read") from None
