"""Cameras on the network, played by a real RTSP server: a loss is told, and what comes back is looked at again."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.camera.boxes import Picture
from devices.camera.driver import LiveDriver
from devices.camera.options import Options
from devices.camera.source import Fitting, Live
from devices.driver import Context, DeviceOffline, Item, Reading
from records.types import CameraHealth, DoorCount
from tests.devices.camera.rtsp import ADDRESS, Camera, needs_server
from tests.devices.line import last_words, until

pytestmark = needs_server()
SECRET = "g:h@im/7"


@pytest.fixture
def camera() -> Iterator[Camera]:
    camera = Camera()
    yield camera
    camera.die()


@pytest.fixture
def ball() -> Iterator[Camera]:
    camera = Camera(pattern="ball")
    yield camera
    camera.die()


@pytest.fixture
def guarded() -> Iterator[Camera]:
    camera = Camera("shop", SECRET)
    camera.start()
    yield camera
    camera.die()


def options(**more: object) -> Options:
    told = {"id": "cam", "driver": "camera", "source": Camera.source, "mode": "overhead", "timeout_s": 5}
    return Options.model_validate({**told, "lines": {"door": "0,120,320,120"}, "interval_s": 1, **more})


def counts(items: list[Item]) -> int:
    return sum(isinstance(item, Reading) and isinstance(item.data, DoorCount) for item in items)


def states(items: list[Item]) -> list[str]:
    return [item.data.state for item in items if isinstance(item, Reading) and isinstance(item.data, CameraHealth)]


def test_a_camera_that_dies_is_told_and_looked_at_again_when_it_is_back(camera: Camera) -> None:
    """Its counts go on; while it is away, nothing answers, and the reason says where."""
    camera.start()
    device = LiveDriver(options(health_s=1), Context())
    device.open()
    until(device, counts)
    camera.die()
    items, reason = last_words(device)
    assert states(items)[-1:] == ["offline"]
    assert "brings no picture" in reason
    device.close()
    with pytest.raises(DeviceOffline, match=f"nothing answers at {ADDRESS}:8554; check the address"):
        device.open()
    camera.start()
    device.open()
    until(device, lambda items: counts(items) and "ok" in states(items))
    device.close()


def test_a_stream_that_stalls_is_told_and_opened_again(camera: Camera) -> None:
    """The connection stands and nothing comes: offline once its time is over, until something comes again."""
    camera.start()
    device = LiveDriver(options(timeout_s=3), Context())
    device.open()
    until(device, counts)
    camera.signal(signal.SIGSTOP)
    items, reason = last_words(device)
    assert states(items)[-1:] == ["offline"]
    assert "brings no picture" in reason
    device.close()
    camera.signal(signal.SIGCONT)
    device.open()
    until(device, counts)
    device.close()


@pytest.mark.parametrize("anew", [True, False])
def test_another_resolution_moves_no_line(ball: Camera, anew: bool) -> None:
    """Within the stream, or after the camera was set up anew: pictures keep the size that lines were drawn on."""
    ball.start()
    fitting, chosen = Fitting((320, 240)), options(analysed_fps=50)
    live = Live(chosen, time.monotonic(), fitting)
    before = live.next().picture
    if anew:
        live.close()
        ball.die()
        ball.start(160, 120)
        live = Live(chosen, time.monotonic(), fitting)
    else:
        ball.signal(signal.SIGUSR1)
    deadline = time.monotonic() + 60
    while _columns(after := live.next().picture) < 1.6 * _columns(before):
        assert time.monotonic() < deadline
    assert after.shape == before.shape == (240, 320, 3)
    live.close()


def _columns(picture: Picture) -> int:
    """That the ball covers."""
    return int((picture[..., 0] > 128).any(axis=0).sum())


@pytest.mark.parametrize(
    ("login", "reason"),
    [({}, "wants a user and a password; set"), ({"user": "shop"}, "refuses this user or password; check")],
)
def test_a_wrong_password_is_told_and_never_written(
    guarded: Camera, login: dict[str, str], reason: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What to do is in the reason; neither it nor what the libraries print holds a password."""
    wrong = tmp_path / "password"
    wrong.write_text("not:it@all\n")
    device = LiveDriver(options(**login, **({"password_file": wrong} if login else {})), Context())
    with pytest.raises(DeviceOffline, match=reason) as told:
        device.open()
    printed = capfd.readouterr()
    assert not any(word in str(told.value) + printed.out + printed.err for word in ("not:it", "not%3Ait", "it@all"))


def test_the_right_password_opens_it(guarded: Camera, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever characters it is made of; a path that is not there is told, and nothing is printed."""
    right = tmp_path / "password"
    right.write_text(SECRET + "\n")
    device = LiveDriver(options(user="shop", password_file=right), Context())
    device.open()
    until(device, counts)
    device.close()
    elsewhere = LiveDriver(options(user="shop", password_file=right, source=Camera.source + "er"), Context())
    with pytest.raises(DeviceOffline, match="has no stream /smaller"):
        elsewhere.open()
    assert capfd.readouterr() == ("", "")


def test_who_looks_too_slowly_skips_and_says_so(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of ten a second looked at twice a second stays at hand, and the note counts what was thrown away."""
    camera.start()
    monkeypatch.setattr("devices.camera.driver.NOTE_S", 0.0)
    device = LiveDriver(options(), Context())
    device.open()
    note, deadline = "", time.monotonic() + 60
    while not note:
        assert time.monotonic() < deadline
        time.sleep(0.5)  # the load
        note = device.read(0.01).note
    device.close()
    assert re.fullmatch(r"too busy: \d+ pictures looked at and [1-9]\d* thrown away; lower analysed_fps or .*", note)
