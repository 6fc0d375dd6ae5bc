"""Pictures from a stream, a video device or a file.

A recording is never skipped: every picture of it is decoded, and each n-th is looked at. Of a live stream that comes
faster than it is looked at, pictures are thrown away until it is hardly behind; a video device does so itself. Where a
source tells no time, its pictures are taken to be evenly spaced (recordings) or timed as they come (live).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import cv2
import numpy as np

from devices.camera.boxes import Picture
from devices.camera.options import Options
from devices.camera.rtsp import why
from devices.driver import DeviceOffline

_LATE_S = 0.5  # behind the stream, from which pictures are thrown away
_MOST_LATE = 100  # of them in a row
_ANOTHER_S = 30.0  # behind or ahead: the stream counts its time anew
_DRIFT = 0.001  # of a camera's clock against ours, at most
_STALLED = 0.9  # of the time that a picture may take: what comes then is an old one out of the decoder
_PACE = 0.9  # of the time between two pictures that are looked at
_USUAL_FPS = 10.0
_RATES = {"detector": 5.0, "overhead": 10.0}

# Over TCP, since lost packets are broken pictures; a stream's rate is not measured before it opens.
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp|fpsprobesize;2"
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # nothing: what FFmpeg prints may hold the address with its password
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
cv2.setNumThreads(1)  # the tills' machine has other work
_ONE_THREAD = [cv2.CAP_PROP_N_THREADS, 1]  # and a decoder with several holds a picture back for each


class Frame(NamedTuple):
    """A picture, and the seconds of the stream at which it was taken."""

    picture: Picture
    at: float


class Fitting:
    """Every picture in one size, since lines and zones are drawn in pixels. size: width, height; None: the first's"""

    def __init__(self, size: tuple[int, int] | None) -> None:
        self._size = size

    def picture(self, capture: cv2.VideoCapture) -> Picture | None:
        """The one that was grabbed last; None where it cannot be decoded."""
        good, picture = capture.retrieve()
        if not good:
            return None
        found = picture.shape[1], picture.shape[0]
        self._size = self._size or found
        fits = picture if found == self._size else cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        return np.asarray(fits, np.uint8)


class Recording:
    """Each n-th picture of a file."""

    def __init__(self, path: str, options: Options) -> None:
        self._capture = cv2.VideoCapture(path, cv2.CAP_ANY, _ONE_THREAD)
        if not self._capture.isOpened():
            raise DeviceOffline(f"{path} is no video that can be read")
        told = self._capture.get(cv2.CAP_PROP_FPS)
        self._fps = told if 0.1 <= told <= 240 else _USUAL_FPS
        self._every = max(1, int(self._fps // _rate(options)))
        self._number = -1
        self._fitting = Fitting(options.picture_px)

    def next(self) -> Frame | None:
        """The next picture to look at; None at the end, whatever the header said of its length."""
        while self._capture.grab():
            self._number += 1
            if self._number % self._every == 0 and (picture := self._fitting.picture(self._capture)) is not None:
                return Frame(picture, self._number / self._fps)
        return None

    @property
    def seconds(self) -> float:
        """Of what was read so far."""
        return (self._number + 1) / self._fps

    def close(self) -> None:
        self._capture.release()


class Live:
    """A stream or a video device. begun: monotonic time from which its seconds count; fitting: kept through losses

    skipped: pictures thrown away so far since looking took longer than they come; looked: at so many
    """

    def __init__(self, options: Options, begun: float, fitting: Fitting) -> None:
        self._options, self._fitting = options, fitting
        self._capture = _opened(options)
        self._pace_s = _PACE / _rate(options)
        self._begun = begun
        self._looked = float("-inf")
        self._behind = Behind()
        self.skipped = self.looked = 0

    def next(self) -> Frame:
        """The next picture to look at; `DeviceOffline` when none comes."""
        late = 0
        while True:
            asked = time.monotonic()
            brought = self._capture.grab()
            now = time.monotonic()
            if not brought or now - asked >= _STALLED * self._options.timeout_s:
                raise DeviceOffline(f"{self._options.source} brings no picture")
            behind = self._behind.seconds(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, now)
            if behind > _LATE_S and late < _MOST_LATE:
                late += 1
                self.skipped += 1
                continue
            at = now - self._begun
            if at - self._looked >= self._pace_s and (picture := self._fitting.picture(self._capture)) is not None:
                self._looked = at
                self.looked += 1
                return Frame(picture, at)

    def close(self) -> None:
        self._capture.release()


class Behind:
    """How far a stream's pictures are behind, by the least that they were: two clocks, each its own."""

    def __init__(self) -> None:
        self._least = 0.0
        self._before: tuple[float, float] | None = None

    def seconds(self, told: float, now: float) -> float:
        """told: the picture's place in the stream; now: monotonic; both in seconds. 0 for one that tells no time"""
        before, self._before = self._before, (told, now)
        behind = now - told
        if before is None or told == before[0] or abs(behind - self._least) > _ANOTHER_S:
            self._least = behind
        else:
            self._least = min(behind, self._least + _DRIFT * (now - before[1]))
        return behind - self._least


def _rate(options: Options) -> float:
    """Pictures a second that are looked at."""
    return options.analysed_fps or _RATES[options.mode]


def _opened(options: Options) -> cv2.VideoCapture:
    if not options.source.startswith("rtsp"):
        device = cv2.VideoCapture(options.source, cv2.CAP_V4L2)
        if not device.isOpened():
            raise DeviceOffline(f"{options.source} does not open; check its path and its cable")
        return device
    timeout = int(options.timeout_s * 1000)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout]
    stream = cv2.VideoCapture(_address(options), cv2.CAP_FFMPEG, [*limits, *_ONE_THREAD])
    if not stream.isOpened():
        raise DeviceOffline(why(options.source, login=bool(options.user)))
    return stream


def _address(options: Options) -> str:
    if options.password_file is None:
        return options.source
    try:
        password = Path(options.password_file).read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        raise DeviceOffline(f"{options.password_file} holds no password") from None
    scheme, _, rest = options.source.partition("://")
    return f"{scheme}://{quote(options.user, safe='')}:{quote(password, safe='')}@{rest}"
