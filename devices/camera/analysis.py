"""One camera's pictures to records: people followed, lines crossed, zones filled, the camera's own health."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from devices.camera.boxes import Box, Picture
from devices.camera.crossings import Counter, Crossing
from devices.camera.geometry import Area, Line, Point
from devices.camera.health import Health
from devices.camera.heat import Heat
from devices.camera.options import Options
from devices.camera.tracker import SURE, Track, Tracker
from devices.camera.zones import Zone
from devices.driver import Item, Reading
from records.types import CameraHealth, CarCount, DoorCount, ZoneDwell, ZoneOccupancy, ZonePath, ZoneQueue

_BAND = 0.01  # of the picture's width on both sides of a line that decide nothing
_DOUBT = 0.4  # of the threshold: a score that keeps a track, but begins none


class Finder(Protocol):
    """Boxes of a picture."""

    def find(self, picture: Picture) -> list[Box]: ...


def doubtful(options: Options) -> float:
    """The least score that a finder should tell of."""
    return _DOUBT * options.threshold


class Analysis:
    """See the module's docstring. Deterministic: the same pictures at the same seconds give the same records."""

    def __init__(self, options: Options, finder: Finder, zone: ZoneInfo) -> None:
        self._options, self._finder, self._timezone = options, finder, zone
        self._tracker = Tracker(options.threshold)
        self._health = Health(options.health_s, options.frozen_s)
        self._lines = [Counter(name, Line(*told)) for name, told in options.lines.items()]
        areas = {name: Area(tuple(zip(told[::2], told[1::2], strict=True))) for name, told in options.zones.items()}
        self._zones = [Zone(name, area) for name, area in areas.items() if name not in options.staff_zones]
        self._staff = [areas[name] for name in options.staff_zones]
        self._heat = Heat(options.heatmap_cell_px, options.heatmap_s) if options.heatmap_cell_px else None
        self._counts: Tally[tuple[str, bool, bool]] = Tally()
        self._begun: datetime | None = None
        self._told: dict[str, int] = {}
        self._came_from: dict[int, str] = {}
        self._start = datetime.min.replace(tzinfo=UTC)
        self._band = 0.0

    def look(self, picture: Picture, at: float, start: datetime) -> list[Item]:
        """What a picture completes. at: seconds of the stream; start: when its first picture was taken, aware UTC"""
        self._start = start
        self._band = self._options.dead_band_px or _BAND * picture.shape[1]
        now = self._time(at)
        self._begun = self._begun or now
        items: list[Item] = []
        if state := self._health.look(picture, at):
            items.append(Reading(CameraHealth(state), now))
        ended = self._tracker.step(self._finder.find(picture), at)
        followed = [track for track in self._tracker.tracks if track.sure]
        for track in followed:
            items += self._follow(track, at)
        items += self._leave(ended, at)
        items += self._occupied(now)
        if self._heat:
            items += self._heat.look([self._anchor(track.box) for track in followed if track.seen == at], picture, now)
        if self._options.interval_s and now - self._begun >= timedelta(seconds=self._options.interval_s):
            items += self.flush(now)
        return items

    def flush(self, now: datetime) -> list[Item]:
        """The counts of an interval that ends now."""
        begun, self._begun = self._begun, now
        if not self._options.interval_s or begun is None:
            return []
        items: list[Item] = []
        for line in self._options.lines:
            items.append(_count(self._counts, line, begun, now, car=False))
            if self._options.cars:
                items.append(_count(self._counts, line, begun, now, car=True))
        items += [Reading(ZoneOccupancy(zone.name, zone.count), now) for zone in self._zones]
        self._counts.clear()
        return items

    def end(self, at: float) -> list[Item]:
        """What the end of a recording completes: who was still there leaves."""
        ended, self._tracker.tracks = self._tracker.tracks, []
        return [*self._leave(ended, at, over=True), *self.flush(self._time(at))]

    def lost(self, now: datetime) -> list[Item]:
        """The stream is gone: nobody is followed through the gap."""
        items = self.flush(now)
        self._begun = None
        for track in self._tracker.tracks:
            self._forget(track)
        self._tracker.tracks = []
        if state := self._health.lost():
            items.append(Reading(CameraHealth(state), now))
        return items

    def _follow(self, track: Track, at: float) -> Iterator[Item]:
        anchor = self._anchor(track.box)
        track.staff = track.staff or any(area.holds(anchor) for area in self._staff)
        for zone in self._zones if track.seen == at and not track.staff else ():
            zone.look(track.id, anchor, at, track.began if track.boxes <= SURE else at)
        for line in self._lines:
            crossing = line.look(track.id, anchor, at, self._band)
            if crossing and self._counts_now(track, at):
                yield from self._crossed(crossing, car=track.box.car)

    def _crossed(self, crossing: Crossing, *, car: bool) -> Iterator[Item]:
        if self._options.interval_s:
            self._counts[crossing.line, crossing.inward, car] += 1
            return
        kind = CarCount if car else DoorCount
        yield Reading(kind(int(crossing.inward), int(not crossing.inward), line=crossing.line), self._time(crossing.at))

    def _leave(self, ended: list[Track], at: float, *, over: bool = False) -> Iterator[Item]:
        for zone in self._zones:
            for track, seconds in zone.left(float("inf") if over else at):
                yield from self._stayed(zone, track, seconds, at)
        for gone in ended:
            self._forget(gone)

    def _stayed(self, zone: Zone, track: int, seconds: float, at: float) -> Iterator[Item]:
        now = self._time(at)
        yield Reading(ZoneDwell(zone.name, round(seconds, 1)), now)
        if zone.name in self._options.queues:
            yield Reading(ZoneQueue(zone.name, zone.count, round(seconds, 1)), now)
        yield from self._passed(zone.name, track, now)

    def _passed(self, zone: str, track: int, now: datetime) -> Iterator[Item]:
        """A way from the zone that somebody was in before."""
        came_from, self._came_from[track] = self._came_from.get(track, zone), zone
        if came_from != zone:
            yield Reading(ZonePath(came_from, zone), now)

    def _occupied(self, now: datetime) -> Iterator[Item]:
        """Who is where, as it changes; with counts at intervals they tell it."""
        for zone in self._zones if not self._options.interval_s else ():
            before = self._told.get(zone.name, -1)
            if before != zone.count:
                self._told[zone.name] = zone.count
                came = zone.count > before >= 0
                yield Reading(ZoneOccupancy(zone.name, zone.count), self._time(zone.newest) if came else now)

    def _counts_now(self, track: Track, at: float) -> bool:
        local = self._time(at).astimezone(self._timezone).time()
        return not track.staff and not any(span.holds(local) for span in self._options.not_counted)

    def _forget(self, track: Track) -> None:
        for line in self._lines:
            line.forget(track.id)
        self._came_from.pop(track.id, None)

    def _anchor(self, box: Box) -> Point:
        return box.feet if self._options.anchor == "feet" else box.centre

    def _time(self, at: float) -> datetime:
        return self._start + timedelta(seconds=at)


def _count(counts: Tally[tuple[str, bool, bool]], line: str, begun: datetime, now: datetime, *, car: bool) -> Item:
    kind: type[DoorCount] | type[CarCount] = CarCount if car else DoorCount
    data: msgspec.Struct = kind(counts[line, True, car], counts[line, False, car], begun, now, line)
    return Reading(data, now)
