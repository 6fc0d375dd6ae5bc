"""Recorded clips from real stores, by `replay` as an installer would."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from devices.driver import Context, Item, Reading
from records.types import DoorCount, ZoneDwell, ZoneOccupancy
from tests.devices.cases import decoder_of, fed
from tests.samples import SHARED

pytestmark = pytest.mark.samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
FPS, FRAMES = 10, 1394
VISIBLE = [(60, 198), (227, 448), (502, 700), (745, 868), (921, 1200), (1235, 1358)]
STANDING = [(78, 184), (240, 435), (516, 684), (764, 852), (940, 1184), (1252, 1346)]
CROSSED = [191, 442, 693, 863, 1193, 1353]


def played(clip: str, **settings: object) -> list[Reading]:
    assert SHARED
    model = str(SHARED / "models" / "yolox_nano.onnx")
    decoder = decoder_of("camera", Context(), model=model, interval_s=0, **settings)
    items: list[Item] = fed(decoder, [(Path(SHARED) / "video" / clip).read_bytes()], AT)
    return [item for item in items if isinstance(item, Reading)]


def frame(reading: Reading) -> float:
    return FRAMES + (reading.at - AT).total_seconds() * FPS


def test_six_visits_are_six_crossings_and_six_stays() -> None:
    """Each crossing within three pictures of the hand count, each stay between standing there and being visible."""
    readings = played(
        "intel_one_by_one.mp4", lines={"door": "640,0,640,432"}, zones={"table": "0,0,768,0,768,432,0,432"}
    )
    crossings = [(frame(each), each.data) for each in readings if isinstance(each.data, DoorCount)]
    assert [(count.in_, count.out) for _, count in crossings] == [(0, 1)] * 6
    assert all(abs(at - truth) <= 3 for (at, _), truth in zip(crossings, CROSSED, strict=True))
    stays = [each.data.seconds * FPS for each in readings if isinstance(each.data, ZoneDwell)]
    for stay, standing, visible in zip(stays, STANDING, VISIBLE, strict=True):
        assert standing[1] - standing[0] <= stay <= visible[1] - visible[0]


def test_who_stands_in_an_aisle_is_counted() -> None:
    """Right on at least nine pictures of ten outside the moment in which the third comes in."""
    readings = played("intel_store-aisle-detection.gif", zones={"aisle": "0,0,480,0,480,270,0,270"})
    fps, frames = 50 / 3, 67
    told = [
        (frames + (each.at - AT).total_seconds() * fps, each.data.count)
        for each in readings
        if isinstance(each.data, ZoneOccupancy)
    ]
    truth = {**dict.fromkeys(range(13), 2), **dict.fromkeys(range(20, 67), 3)}
    right = sum(next((count for at, count in reversed(told) if at <= n + 0.5), None) == truth[n] for n in truth)
    assert right >= 0.9 * len(truth)


def test_the_same_recording_gives_the_same_records() -> None:
    """Twice."""
    settings = {"zones": {"aisle": "0,0,480,0,480,270,0,270"}, "heatmap_cell_px": 60, "heatmap_s": 1}
    assert played("intel_store-aisle-detection.gif", **settings) == played(
        "intel_store-aisle-detection.gif", **settings
    )
