"""Lines, zones, tracks, heat maps and the camera's health, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from statistics import median

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.camera.boxes import Box, Picture
from devices.camera.crossings import Counter
from devices.camera.geometry import Area, Line
from devices.camera.health import Health, State
from devices.camera.heat import Heat
from devices.camera.options import Options
from devices.camera.overhead import Sizes
from devices.camera.scene import FPS, Scene, Walker
from devices.camera.source import Behind
from devices.camera.tracker import MEMORY_S, Tracker
from devices.camera.zones import Zone
from devices.driver import Reading
from records.types import ZoneHeatmap

DOWN = Line(640, 0, 640, 432)


def test_in_is_the_side_that_the_formula_says() -> None:
    """A line drawn from the top to the bottom: in is towards the left."""
    assert DOWN.side((600, 200)) > 0 > DOWN.side((700, 200))
    assert DOWN.side((600, 200)) == pytest.approx(40)


@given(st.lists(st.floats(600, 680), max_size=60))
def test_crossings_are_where_the_walk_ends_up(walk: list[float]) -> None:
    """Whatever the walk, ins and outs alternate and their sum says on which side it ended."""
    line = Counter("door", DOWN)
    places = [700.0, *walk, 580.0]
    found = [line.look(1, (x, 200.0), float(n), 5.0) for n, x in enumerate(places)]
    ways = [crossing.inward for crossing in found if crossing]
    assert ways[-1]
    assert all(before != after for before, after in pairwise(ways))


def test_who_passes_beside_a_line_does_not_cross_it() -> None:
    """A line has ends."""
    line = Counter("door", Line(0, 100, 100, 100))
    assert not any(line.look(1, (300.0, float(y)), y / 10, 2) for y in range(50, 150, 5))
    assert any(line.look(2, (50.0, float(y)), y / 10, 2) for y in range(50, 150, 5))


def test_who_leaves_a_zone_for_a_moment_has_not_left_it() -> None:
    """One stay, as long as it was."""
    zone = Zone("shelf", Area(((0, 0), (100, 0), (100, 100), (0, 100))))
    left = []
    for tenth in range(120):
        inside = 10 <= tenth <= 80 and not 40 <= tenth <= 45
        zone.look(7, (50.0, 50.0) if inside else (150.0, 50.0), tenth / 10, tenth / 10)
        left += zone.left(tenth / 10)
        assert zone.count <= 1
    assert left == [(7, pytest.approx(7.0))]


def test_a_track_lives_through_a_gap_and_no_longer() -> None:
    """Half a second without a box keeps the number; after that somebody else begins."""
    tracker = Tracker(0.35)
    box = Box(100, 100, 140, 200, 0.8)
    numbers = []
    for tenth in range(40):
        seen = not 10 <= tenth < 15 and not 20 <= tenth < 20 + int(MEMORY_S * 10) + 2
        tracker.step([box.moved(3.0 * tenth, 0)] if seen else [], tenth / 10)
        numbers += [track.id for track in tracker.tracks if track.seen == tenth / 10]
    assert sorted(set(numbers)) == [1, 2]
    assert numbers.count(1) == 15


def test_a_doubtful_box_keeps_a_track_but_begins_none() -> None:
    """So shadows become nobody, and who is half hidden stays somebody."""
    tracker = Tracker(0.35)
    tracker.step([Box(0, 0, 40, 100, 0.2)], 0.0)
    assert tracker.tracks == []
    tracker.step([Box(0, 0, 40, 100, 0.5)], 0.1)
    tracker.step([Box(2, 0, 42, 100, 0.2)], 0.2)
    (track,) = tracker.tracks
    assert (track.boxes, track.sure) == (2, True)


def test_a_heat_map_adds_up() -> None:
    """One look a person and picture, in the cell where they stood; a new one begins empty."""
    heat, start, picture = Heat(100, 1.0), datetime(2026, 1, 1, tzinfo=UTC), np.zeros((250, 400, 3), np.uint8)
    items = [
        item
        for tenth in range(21)
        for item in heat.look([(50.0, 60.0), (399.9, 249.9)], picture, start + timedelta(seconds=tenth / 10))
    ]
    maps = [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, ZoneHeatmap)]
    assert [(len(each.grid), len(each.grid[0]), sum(map(sum, each.grid))) for each in maps] == [(3, 4, 22), (3, 4, 20)]
    assert maps[0].grid[0][0] == maps[0].grid[2][3] == 11


@given(st.lists(st.integers(1, 50), max_size=260))
def test_a_persons_size_is_the_median_of_the_last(seen: list[int]) -> None:
    """Of two hundred, once more than twenty were seen."""
    sizes = Sizes()
    for size in seen:
        sizes.add(size)
    assert sizes.median == (median(seen[-200:]) if len(seen) > 20 else None)


# --- health ------------------------------------------------------------------------------------------------------

SCENE = Scene(
    400, [Walker([(n * 4.0, 60 + 40 * (n % 8), -20), (n * 4.0 + 3, 100 + 30 * (n % 8), 380)]) for n in range(90)]
)
Fault = Callable[[Picture, int], Picture]


def _blurred(picture: Picture, number: int) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 6), np.uint8)


def _turned(picture: Picture, number: int) -> Picture:
    return np.ascontiguousarray(np.rot90(picture, 2)[:, ::-1].transpose(1, 0, 2)[:360, :480])


def _handed(picture: Picture, number: int) -> Picture:
    hand = picture.copy()
    hand[:, : picture.shape[1] * 9 // 10] = 70
    return hand


FAULTS: dict[State, Fault] = {
    "black": lambda picture, number: np.asarray(picture // 40, np.uint8),  # noqa: ARG005
    "covered": _handed,
    "defocused": _blurred,
    "moved": _turned,
}


def _states(pictures: Iterator[Picture], every: int = 2) -> list[State]:
    health = Health(10, 30)
    told = (health.look(picture, number / every) for number, picture in enumerate(pictures))
    return [state for state in told if state]


def _every_fifth(scene: Scene) -> Iterator[Picture]:
    return scene.pictures(3, FPS // 2)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_picture_is_told_once_and_cleared_once(fault: State) -> None:
    """Half a minute of the fault between two half minutes without."""
    spoil = FAULTS[fault]
    pictures = enumerate(islice(_every_fifth(SCENE), 180))
    assert _states(spoil(each, n) if 60 <= n < 120 else each for n, each in pictures) == ["ok", fault, "ok"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_larger_picture_is_judged_alike(fault: State) -> None:
    """It is halved first."""
    spoil = FAULTS[fault]
    pictures = enumerate(islice(_every_fifth(SCENE), 120))
    spoilt = (spoil(each, n) if n >= 60 else each for n, each in pictures)
    assert _states(np.asarray(cv2.resize(each, (960, 720)), np.uint8) for each in spoilt) == ["ok", fault]


def test_a_fault_that_passes_quickly_is_not_told() -> None:
    """Somebody close to the lens for five seconds."""
    pictures = enumerate(islice(_every_fifth(SCENE), 120))
    assert _states(_handed(each, n) if 60 <= n < 70 else each for n, each in pictures) == ["ok"]


def test_a_picture_that_never_changes_is_frozen() -> None:
    """Told once, and cleared by the next picture."""
    pictures = list(islice(_every_fifth(SCENE), 60))
    assert _states(iter([*pictures, *[pictures[-1]] * 100, *pictures])) == ["ok", "frozen", "ok"]


@pytest.mark.long
def test_an_hour_of_a_normal_scene_raises_nothing() -> None:
    """People come and go, the light changes slowly."""
    pictures = list(islice(_every_fifth(SCENE), 300))
    bright = (
        np.asarray(cv2.convertScaleAbs(pictures[n % 300], alpha=1 - 0.4 * abs(n / 3600 - 1)), np.uint8)
        for n in range(7200)
    )
    assert _states(bright) == ["ok"]


def test_a_lost_stream_is_offline_until_pictures_come() -> None:
    """Once each."""
    health = Health(10, 30)
    pictures = list(islice(_every_fifth(SCENE), 60))
    told = [state for number, picture in enumerate(pictures) if (state := health.look(picture, number / 2))]
    told += [state for _ in range(3) if (state := health.lost())]
    told += [state for number, picture in enumerate(pictures) if (state := health.look(picture, 100 + number / 2))]
    assert told == ["ok", "offline", "ok"]


# --- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"zones": {"shelf": "0,0,1,1"}}, "zone shelf needs x,y pairs"),
        ({"lines": {"door": "1,1,1,1"}}, "line door begins where it ends"),
        ({"queues": ["tills"]}, "tills: no zone of that name"),
        ({"source": "rtsp://me:secret@192.0.2.1/"}, "user and password go into"),
        ({"user": "me"}, "go together"),
    ],
)
def test_wrong_settings_say_what_to_do(settings: dict[str, object], said: str) -> None:
    """In words that name the line, the zone or the setting."""
    with pytest.raises(ValidationError, match=said):
        Options.model_validate({"id": "cam", "driver": "camera", "source": "/dev/video0", **settings})


def test_a_stream_is_behind_by_what_it_was_least() -> None:
    """Whatever the two clocks began at; one that drifts is not, one that counts anew is not, one without time never."""
    behind = Behind()
    assert [behind.seconds(told, 100.0 + told) for told in (5.0, 5.1)] == [0, 0]
    assert behind.seconds(5.2, 106.2) == pytest.approx(1.0, abs=0.01)
    assert behind.seconds(7.0, 107.0) == 0
    assert max(behind.seconds(7.0 + n, 107.0 + 1.0005 * n) for n in range(1, 10_000)) < 0.01
    assert behind.seconds(0.0, 20_000.0) == 0
    assert [Behind().seconds(0.0, float(now)) for now in range(5)] == [0] * 5
