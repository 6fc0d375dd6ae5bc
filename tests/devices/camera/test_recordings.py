"""A recording in place of a camera: the same records in every zone, and each file played once."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from devices.camera.driver import RecordingDriver
from devices.camera.options import Options
from devices.driver import Context, DeviceOffline, Reading
from records.types import DoorCount
from tests.devices.cases import DEVICES, decoder_of, fed
from tests.devices.line import lost, until

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
CLIP = DEVICES / "camera" / "cases" / "overhead-door.mp4"
SETTINGS = json.loads(CLIP.with_suffix(".json").read_text(encoding="utf-8"))["settings"]


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Shanghai"])
def test_the_zone_moves_no_record(zone: str) -> None:
    """East and west of Greenwich, by `replay`."""
    found = [
        fed(decoder_of("camera", Context(timezone=ZoneInfo(name)), **SETTINGS), [CLIP.read_bytes()], AT)
        for name in (zone, "UTC")
    ]
    assert found[0] == found[1] != []


def test_nobody_is_counted_at_the_times_that_are_left_out() -> None:
    """Cleaning at nine in the morning of the store."""
    settings = {**SETTINGS, "not_counted": [{"begin": "08:30", "end": "09:30"}]}
    items = fed(decoder_of("camera", Context(), **settings), [CLIP.read_bytes()], AT)
    counts = [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, DoorCount)]
    assert sum(count.in_ + count.out for count in counts) == 0


def test_a_file_is_played_once_and_another_in_its_place_too(tmp_path: Path) -> None:
    """As fast as it can be looked at; where it is gone the device is offline."""
    place = tmp_path / "clip.mp4"
    shutil.copy(CLIP, place)
    told = {"id": "cam", "driver": "camera", **SETTINGS, "source": str(place), "interval_s": 0}
    device = RecordingDriver(Options.model_validate(told), Context())
    device.open()
    first = until(device, lambda _: not device.playing)
    assert any(isinstance(item, Reading) and isinstance(item.data, DoorCount) for item in first)
    assert device.read(0.01).items == ()
    shutil.copy(CLIP, tmp_path / "new.mp4")
    (tmp_path / "new.mp4").replace(place)
    again = until(device, lambda items: len(items) == len(first))
    assert [item.data for item in again if isinstance(item, Reading)] == [
        item.data for item in first if isinstance(item, Reading)
    ]
    device.close()
    place.unlink()
    assert "No such file" in lost(device)
    with pytest.raises(DeviceOffline, match="No such file"):
        device.open()
