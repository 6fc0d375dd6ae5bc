"""Pictures from a stream, a video device or a file.

A recording is never skipped: every picture of it is decoded, and each n-th is looked at. Of a live stream that comes
faster than it is looked at, pictures are thrown away undecoded until the latest is at hand. Where a source tells no
time, its pictures are taken to be evenly spaced (recordings) or timed as they come (live).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import cv2
import numpy as np

from devices.camera.boxes import Picture
from devices.camera.options import Options
from devices.driver import DeviceOffline

_AT_HAND_S = 0.002  # a live picture that is there sooner had been waiting
_MOST_LATE = 100  # pictures thrown away in a row
_PACE = 0.9  # of the time between two pictures that are looked at
_USUAL_FPS = 10.0
_RATES = {"detector": 5.0, "overhead": 10.0}

cv2.setNumThreads(1)  # the tills' machine has other work


class Frame(NamedTuple):
    """A picture, and the seconds of the stream at which it was taken."""

    picture: Picture
    at: float


class Recording:
    """Each n-th picture of a file."""

    def __init__(self, path: str, options: Options) -> None:
        self._capture = cv2.VideoCapture(path)
        if not self._capture.isOpened():
            raise DeviceOffline(f"{path} is no video that can be read")
        told = self._capture.get(cv2.CAP_PROP_FPS)
        self._fps = told if 0.1 <= told <= 240 else _USUAL_FPS
        self._every = max(1, int(self._fps // _rate(options)))
        self._number = -1

    def next(self) -> Frame | None:
        """The next picture to look at; None at the end, whatever the header said of its length."""
        while self._capture.grab():
            self._number += 1
            if self._number % self._every == 0 and (picture := _picture(self._capture)) is not None:
                return Frame(picture, self._number / self._fps)
        return None

    @property
    def seconds(self) -> float:
        """Of what was read so far."""
        return (self._number + 1) / self._fps

    def close(self) -> None:
        self._capture.release()


class Live:
    """A stream or a video device. begun: monotonic time from which its seconds count"""

    def __init__(self, options: Options, begun: float) -> None:
        self._options = options
        self._capture = _opened(options)
        self._pace_s = _PACE / _rate(options)
        self._begun = begun
        self._looked = float("-inf")

    def next(self) -> Frame:
        """The next picture to look at; `DeviceOffline` when none comes. One that was at hand at once is a late one."""
        late = 0
        while True:
            asked = time.monotonic()
            if not self._capture.grab():
                raise DeviceOffline(f"{self._options.source} brings no picture")
            now = time.monotonic()
            at = now - self._begun
            if at - self._looked < self._pace_s:
                continue
            if now - asked < _AT_HAND_S and late < _MOST_LATE:
                late += 1
                continue
            self._looked = at
            if (picture := _picture(self._capture)) is not None:
                return Frame(picture, at)

    def close(self) -> None:
        self._capture.release()


def _rate(options: Options) -> float:
    """Pictures a second that are looked at."""
    return options.analysed_fps or _RATES[options.mode]


def _picture(capture: cv2.VideoCapture) -> Picture | None:
    """The one that was grabbed last; None where it cannot be decoded."""
    good, picture = capture.retrieve()
    return np.asarray(picture, np.uint8) if good else None


def _opened(options: Options) -> cv2.VideoCapture:
    timeout = int(options.timeout_s * 1000)
    if options.source.startswith("rtsp"):
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout]
        capture = cv2.VideoCapture(_address(options), cv2.CAP_FFMPEG, limits)
    else:
        capture = cv2.VideoCapture(options.source, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise DeviceOffline(f"{options.source} does not open; check its address, user and password, or its cable")
    return capture


def _address(options: Options) -> str:
    if options.password_file is None:
        return options.source
    try:
        password = Path(options.password_file).read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        raise DeviceOffline(f"{options.password_file} holds no password") from None
    scheme, _, rest = options.source.partition("://")
    return f"{scheme}://{quote(options.user, safe='')}:{quote(password, safe='')}@{rest}"
