"""Rendered clips, straight down: every crossing is counted once, the right way, and nothing else is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from devices.camera.analysis import Analysis
from devices.camera.boxes import Picture
from devices.camera.options import Options
from devices.camera.overhead import Overhead
from devices.camera.scene import FPS
from devices.driver import Item, Reading
from records.types import CameraHealth, DoorCount
from tests.devices.camera.clips import CLIPS, LINE, truth

START = datetime(2026, 11, 21, 9, tzinfo=UTC)


def options(**more: object) -> Options:
    told = {"id": "cam", "driver": "camera", "source": "clip", "mode": "overhead", "interval_s": 0}
    return Options.model_validate({**told, "lines": {"door": LINE}, **more})


def looked(pictures: Iterator[Picture], chosen: Options) -> list[Item]:
    """The records of a clip."""
    analysis = Analysis(chosen, Overhead(chosen.person_px), ZoneInfo("UTC"))
    items: list[Item] = []
    for number, picture in enumerate(pictures):
        items += analysis.look(picture, number / FPS, START)
    return [*items, *analysis.end(60.0)]


def counted(items: list[Item]) -> tuple[int, int]:
    counts = [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, DoorCount)]
    return sum(each.in_ for each in counts), sum(each.out for each in counts)


@pytest.mark.parametrize("name", sorted(CLIPS))
def test_a_clip_is_counted_exactly(name: str) -> None:
    """As many in and out as crossed, and a camera that is well."""
    items = looked(CLIPS[name].pictures(1), options())
    assert counted(items) == truth(CLIPS[name])
    states = [item.data.state for item in items if isinstance(item, Reading) and isinstance(item.data, CameraHealth)]
    assert set(states) <= {"ok"}


@pytest.mark.parametrize("name", ["three abreast", "deep shadow"])
def test_a_larger_picture_is_counted_alike(name: str) -> None:
    """Twice as wide, with noise of its own: it is looked at at a quarter of its size."""
    noise = np.random.default_rng(4)
    pictures = (
        np.clip(cv2.resize(each, (960, 720)) + noise.normal(0, 4, (720, 960, 1)), 0, 255).astype(np.uint8)
        for each in CLIPS[name].pictures(1)
    )
    chosen = options(lines={"door": tuple(2 * corner for corner in LINE)})
    assert counted(looked(pictures, chosen)) == truth(CLIPS[name])


def test_a_crossing_is_told_at_its_time() -> None:
    """Within two pictures of when the walker was on the line."""
    items = looked(CLIPS["one in"].pictures(1), options())
    (walker,) = CLIPS["one in"].walkers
    when = next(tenth / 10 for tenth in range(80) if (place := walker.at(tenth / 10)) and place[1] >= LINE[1])
    (crossed,) = [item for item in items if isinstance(item, Reading) and isinstance(item.data, DoorCount)]
    assert abs((crossed.at - START).total_seconds() - when) <= 0.2


def test_counts_at_intervals_add_up_to_the_crossings() -> None:
    """Two seconds each, without a gap between them, zeros told."""
    items = looked(CLIPS["in, then out"].pictures(1), options(interval_s=2))
    counts = [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, DoorCount)]
    assert len(counts) >= 7
    assert counted(items) == truth(CLIPS["in, then out"])
    assert all(before.to == after.from_ for before, after in itertools.pairwise(counts))
    assert any((count.in_, count.out) == (0, 0) for count in counts)
