"""One camera's pictures to records: people followed, lines crossed, zones filled, the camera's own health."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from devices.camera.boxes import Box, Picture
from devices.camera.crossings import Counter, Crossing
from devices.camera.geometry import Area, Line, Point
from devices.camera.health import Health, State
from devices.camera.heat import Heat
from devices.camera.obscured import obscured
from devices.camera.options import Options
from devices.camera.tracker import SURE, Track, Tracker
from devices.camera.zones import Zone
from devices.driver import Reading
from devices.glass import Glass
from records.types import CameraHealth, CarCount, DoorCount, ZoneDwell, ZoneOccupancy, ZonePath, ZoneQueue

_BAND = 0.01  # of the picture's width on both sides of a line that decide nothing
_ALL = float("inf")  # seconds, by which everybody has left
_DOUBT = 0.4  # of the threshold: a score that keeps a track, but begins none


_Kind = type[DoorCount] | type[CarCount]


class Finder(Protocol):
    """Boxes of a picture."""

    def find(self, picture: Picture) -> list[Box]: ...


def doubtful(options: Options) -> float:
    """The least score that a finder should tell of."""
    return _DOUBT * options.threshold


class Analysis:
    """See the module's docstring. Deterministic: the same pictures at the same seconds give the same records."""

    def __init__(self, options: Options, finder: Finder, zone: ZoneInfo, glass: Glass | None = None) -> None:
        self._options, self._finder, self._timezone, self._glass = options, finder, zone, glass
        self._tracker = Tracker(options.threshold)
        self._health = Health(options.health_s, options.frozen_s)
        self._lines = [Counter(name, Line(*told)) for name, told in options.lines.items()]
        areas = {name: Area(tuple(zip(told[::2], told[1::2], strict=True))) for name, told in options.zones.items()}
        self._zones = [Zone(name, area) for name, area in areas.items() if name not in options.staff_zones]
        self._staff = [areas[name] for name in options.staff_zones]
        self._heat = Heat(options.heatmap_cell_px, options.heatmap_s) if options.heatmap_cell_px else None
        self._counts: Tally[tuple[str, _Kind, bool]] = Tally()  # of this interval, by line, kind and whether inward
        self._begun: datetime | None = None  # this interval
        self._occupancy: dict[str, int] = {}  # as it was told, by zone
        self._came_from: dict[int, str] = {}  # zone, by track
        self._start = datetime.min.replace(tzinfo=UTC)

    def look(self, picture: Picture, at: float, start: datetime) -> list[Reading]:
        """What a picture completes. at: seconds of the stream; start: when its first picture was taken, aware UTC"""
        self._start = start
        now = self._time(at)
        self._begun = self._begun or now
        readings = _health(self._health.look(picture, at), now)
        found = self._finder.find(picture)
        ended = self._tracker.step(found, at)
        if self._glass and self._glass.wanted:
            self._glass.show(obscured(picture, [*found, *(track.box for track in self._tracker.tracks)]))
        followed = [track for track in self._tracker.tracks if track.sure]
        band = _BAND * picture.shape[1] if self._options.dead_band_px is None else self._options.dead_band_px
        for track in followed:
            readings += self._follow(track, at, band)
        readings += self._leave(ended, at, now)
        readings += self._occupied(now)
        if self._heat:
            seen = [self._anchor(track.box) for track in followed if track.seen == at]
            readings += self._heat.look(seen, picture, now)
        if now - self._begun >= timedelta(seconds=self._options.interval_s):
            readings += self._counted(now)
        return readings

    def end(self, at: float) -> list[Reading]:
        """What the end of a recording completes: who was still there leaves."""
        now = self._time(at)
        ended, self._tracker.tracks = self._tracker.tracks, []
        return [*self._leave(ended, _ALL, now), *self._counted(now)]

    def lost(self, now: datetime) -> list[Reading]:
        """The stream is gone: nobody is followed through the gap."""
        readings = self._counted(now)
        self._begun = None
        for track in self._tracker.tracks:
            self._forget(track)
        self._tracker.tracks = []
        return [*readings, *_health(self._health.lost(), now)]

    def _counted(self, now: datetime) -> list[Reading]:
        """The counts of the interval that ends now, where they are told at intervals."""
        begun, self._begun = self._begun, now
        if not self._options.interval_s or begun is None:
            return []
        kinds: tuple[_Kind, ...] = (DoorCount, CarCount) if self._options.cars else (DoorCount,)
        counts, self._counts = self._counts, Tally()
        doors = [
            Reading(kind(counts[line, kind, True], counts[line, kind, False], begun, now, line), now)
            for line in self._options.lines
            for kind in kinds
        ]
        return [*doors, *(Reading(ZoneOccupancy(zone.name, zone.count), now) for zone in self._zones)]

    def _follow(self, track: Track, at: float, band: float) -> Iterator[Reading]:
        anchor = self._anchor(track.box)
        track.staff = track.staff or any(area.holds(anchor) for area in self._staff)
        for zone in self._zones if track.seen == at and not track.staff else ():
            zone.look(track.id, anchor, at, track.began if track.boxes <= SURE else at)
        for line in self._lines:
            crossing = line.look(track.id, anchor, at, band)
            if crossing and self._counts_now(track, at):
                if self._glass and not track.box.car:
                    self._glass.crossed(crossing.line, inward=crossing.inward)
                yield from self._crossed(crossing, CarCount if track.box.car else DoorCount)

    def _crossed(self, crossing: Crossing, kind: _Kind) -> Iterator[Reading]:
        if self._options.interval_s:
            self._counts[crossing.line, kind, crossing.inward] += 1
            return
        yield Reading(kind(int(crossing.inward), int(not crossing.inward), line=crossing.line), self._time(crossing.at))

    def _leave(self, ended: list[Track], at: float, now: datetime) -> Iterator[Reading]:
        for zone in self._zones:
            for track, seconds in zone.left(at):
                yield from self._stayed(zone, track, seconds, now)
        for gone in ended:
            self._forget(gone)

    def _stayed(self, zone: Zone, track: int, seconds: float, now: datetime) -> Iterator[Reading]:
        yield Reading(ZoneDwell(zone.name, round(seconds, 1)), now)
        if zone.name in self._options.queues:
            yield Reading(ZoneQueue(zone.name, zone.count, round(seconds, 1)), now)
        came_from, self._came_from[track] = self._came_from.get(track, zone.name), zone.name
        if came_from != zone.name:
            yield Reading(ZonePath(came_from, zone.name), now)

    def _occupied(self, now: datetime) -> Iterator[Reading]:
        """Who is where, as it changes; with counts at intervals they tell it."""
        for zone in self._zones if not self._options.interval_s else ():
            before = self._occupancy.get(zone.name, -1)
            if before != zone.count:
                self._occupancy[zone.name] = zone.count
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


def _health(state: State | None, now: datetime) -> list[Reading]:
    return [Reading(CameraHealth(state), now)] if state else []
