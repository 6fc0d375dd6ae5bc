"""Cameras on USB, by OpenCV's own reading of video devices above a kernel that is simulated: stalled and unplugged."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from devices.camera.driver import LiveDriver
from devices.camera.options import Options
from devices.driver import Context, DeviceOffline

HERE = Path(__file__).parent
NEEDS_C = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


class Video:
    """A video device that shows a picture every twentieth of a second, while `shows`, and the driver that reads it."""

    def __init__(self, folder: Path, shim: Path) -> None:
        self._path = folder / "video"
        self._ends: list[int] = []
        self.plug()
        self.shows = True
        environment = {**os.environ, "LD_PRELOAD": str(shim), "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "1"}
        argv = [sys.executable, "-m", "tests.devices.camera.video_reader", str(self._path)]
        self._reader = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True, cwd=HERE.parents[2])
        self._said: queue.Queue[str] = queue.Queue()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._hear, self._show)]
        for thread in self._threads:
            thread.start()

    def plug(self) -> None:
        os.mkfifo(self._path)
        self._ends.append(os.open(self._path, os.O_RDWR | os.O_NONBLOCK))  # all stay open, so that none is like another

    def unplug(self) -> None:
        self.shows = False
        os.write(self._ends[-1], b"u")
        self._path.unlink()

    def until(self, words: str) -> None:
        """The reader says so; what it said before is gone."""
        deadline = time.monotonic() + 90
        while words not in self._said.get(timeout=90):
            assert time.monotonic() < deadline, f"the reader does not say: {words}"

    def close(self) -> None:
        self._reader.kill()
        for thread in self._threads:
            thread.join()
        self._reader.wait()
        for end in self._ends:
            os.close(end)

    def _hear(self) -> None:
        assert self._reader.stdout
        for line in self._reader.stdout:
            self._said.put(line.strip())

    def _show(self) -> None:
        number = 0
        while self._reader.poll() is None:
            number += 1
            if self.shows:
                os.write(self._ends[-1], bytes([150 + number % 50]))
            time.sleep(0.05)


@pytest.fixture
def video(tmp_path: Path) -> Iterator[Video]:
    """Below /dev, since that is how the driver knows a video device."""
    shim = tmp_path / "video.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", shim, HERE / "video_device.c", "-ldl"], check=True)
    with TemporaryDirectory(dir="/dev/shm") as folder:
        video = Video(Path(folder), shim)
        yield video
        video.close()


@NEEDS_C
def test_a_video_device_that_stalls_or_is_unplugged_is_told_and_read_again(video: Video) -> None:
    """Offline each time, with a reason; once pictures come again it counts on."""
    video.until("counts")
    video.shows = False
    video.until("health: offline")
    video.until("video brings no picture")
    video.shows = True
    video.until("counts")
    video.unplug()
    video.until("video brings no picture")
    video.until("video does not open; check its path and its cable")
    video.plug()
    video.shows = True
    video.until("counts")


@pytest.mark.parametrize("device", ["/dev/null", "/dev/v4l/by-id/usb-none-video-index0"])
def test_what_is_no_video_device_is_told(device: str) -> None:
    """Another device, and none."""
    told = {"id": "cam", "driver": "camera", "source": device, "mode": "overhead"}
    with pytest.raises(DeviceOffline, match=f"{device} does not open; check its path and its cable"):
        LiveDriver(Options.model_validate(told), Context()).open()
