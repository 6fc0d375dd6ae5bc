"""One camera's count, where things go wrong: nobody ends it, or there is no room for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from devices.camera.options import Options
from devices.glass import Glass
from edge_agent.buffer.space import Limits
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.intake import Intake
from edge_agent.page.mount import LEFT_S, Mount, Order, Refused
from edge_agent.recorder.desk import BufferFull
from edge_agent.station import Station
from tests.edge_agent.boxes import HandClock, TestBox
from tests.edge_agent.page.site import CAMERA
from tests.edge_agent.test_recorder import AMPLE, running

NO_ROOM = Limits(budget=2**31, floor=2**60, reserve=8 * 2**20)


@contextmanager
def mounted(folder: Path, limits: Limits) -> Iterator[tuple[Mount, Glass, HandClock]]:
    clock, glass = HandClock(), Glass()
    with running(folder, TestBox(), limits=limits) as (desk, _):
        options = Options.model_validate(CAMERA | {"source": "/dev/video0", "still": True})
        intake = Intake(desk, Cleaning(bytes(32)), clock)
        yield Mount(options, Station("door-cam", "camera", clock), glass, intake), glass, clock


def test_a_count_that_nobody_looks_at_any_more_is_none(tmp_path: Path) -> None:
    """What the camera counted alone since then is no error of its."""
    with mounted(tmp_path, AMPLE) as (mount, _, clock):
        mount.do(Order("start"))
        for _ in range(5):
            clock.mono += LEFT_S
            assert mount.told()["audit"] is not None
        clock.mono += LEFT_S + 1
        assert mount.told()["audit"] is None
        with pytest.raises(Refused, match="no count is running"):
            mount.do(Order("tap", "door", True, "1"))


def test_where_there_is_no_room_the_count_is_ended_again(tmp_path: Path) -> None:
    """With the figures of the first time, whatever passed in between."""
    with mounted(tmp_path, NO_ROOM) as (mount, glass, _):
        mount.do(Order("start"))
        mount.do(Order("tap", "door", True, "1"))
        glass.crossed("door", inward=True)
        for _ in range(2):
            ending = mount.do(Order("end"))
            assert ending is not None
            with pytest.raises(BufferFull):
                ending.result(60)
            glass.crossed("door", inward=True)
            told = mount.told()
            assert (told["audit"]["lines"][0]["counted_in"], told["audit"]["lines"][0]["tapped_in"]) == (1, 1)
            assert told["earlier"] == []


def test_ending_twice_stores_once(tmp_path: Path) -> None:
    """Two thumbs on End are one end."""
    with mounted(tmp_path, AMPLE) as (mount, _, _):
        mount.do(Order("start"))
        first = mount.do(Order("end"))
        assert first is not None
        try:
            second = mount.do(Order("end"))
        except Refused:
            second = first  # it was on disk already
        assert second is first
        first.result(60)
        assert len(mount.told()["earlier"]) == 1


def test_the_page_needs_no_opencv() -> None:
    """An agent without the camera's libraries starts as before."""
    heavy = "import edge_agent.daemon, sys; print({'cv2', 'numpy', 'onnxruntime'} & sys.modules.keys())"
    told = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout == "set()\n"


def test_what_is_no_order_is_refused() -> None:
    """Fields that nobody knows and words that mean nothing."""
    for text in (b'{"do": "start", "camera": 1}', b'{"do": "jump"}', b"[]", b""):
        with pytest.raises(msgspec.MsgspecError):
            msgspec.json.decode(text, type=Order)
