"""A network camera for tests: a real RTSP server on a loopback address that nobody else has."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import cache
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"  # the system's own, which Debian's bindings are for
SERVER = Path(__file__).with_name("rtsp_server.py")
_HAS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer as _"
_PORT = 8554
ADDRESS = "127.{}.{}.{}".format(
    *(100 + os.getpid() // 250**place % 100 if place else 2 + os.getpid() % 250 for place in (2, 1, 0))
)


@cache
def _there() -> bool:
    return subprocess.run([PYTHON, "-c", _HAS], capture_output=True, check=False).returncode == 0


class Camera:
    """Streams H.264 at ten pictures a second while it runs. login: user and password that it wants

    pattern: smpte stands but for some snow, ball is a ball that has as many pixels whatever the size
    """

    source = f"rtsp://{ADDRESS}:{_PORT}/small"

    def __init__(self, *login: str, pattern: str = "smpte") -> None:
        self._login, self._pattern = login, pattern
        self._server: subprocess.Popen[str] | None = None

    def start(self, width: int = 320, height: int = 240) -> None:
        told = [PYTHON, str(SERVER), ADDRESS, str(_PORT), self._pattern, str(width), str(height), *self._login]
        self._server = subprocess.Popen(told, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout
        assert self._server.stdout.readline() == "ready\n"

    def signal(self, number: signal.Signals) -> None:
        assert self._server
        self._server.send_signal(number)

    def die(self) -> None:
        if self._server:
            self._server.kill()
            self._server.communicate()
        self._server = None


def needs_server() -> pytest.MarkDecorator:
    return pytest.mark.skipif(not _there(), reason="Debian's RTSP server is not installed; scripts/test does it")
