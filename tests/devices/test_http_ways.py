"""Asking at intervals and listening to streams: what the agent's thread is told, and when it is let go."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from datetime import datetime

import pytest

from devices.driver import DeviceOffline, Item, Rejected
from devices.http_device import HttpDevice
from devices.http_ways import HttpPoll, HttpStream
from devices.options import HttpAccess
from tests.devices.web_device import answering, asked, talking, until

OK = b"HTTP/1.1 200 OK\r\n"


class Lines:
    """Each piece is an item; what is begun is told at the end."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        *whole, self._begun = (self._begun + data).split(b"\n")
        return [Rejected("line", line, at) for line in whole]

    def end(self, at: datetime) -> Sequence[Item]:
        begun, self._begun = self._begun, b""
        return [Rejected("cut off", begun, at)] if begun else []


def told(items: Sequence[Item]) -> list[bytes]:
    return [item.raw for item in items]


def stream(url: str, quiet_s: float) -> HttpStream:
    return HttpStream(HttpDevice(HttpAccess(url=url, timeout_s=60)), "/s", Lines(), quiet_s)


def test_a_stream_that_falls_silent_is_lost() -> None:
    """What had begun is handed over first; then the reason says for how long nothing came."""
    done = threading.Event()

    def talk(connection: socket.socket) -> None:
        asked(connection)
        connection.sendall(OK + b"\r\none\ntw")
        done.wait(60)

    with talking(talk) as url:
        device = stream(url, 0.05)
        device.open()
        assert told(until(device, 2)) == [b"one", b"tw"]
        with pytest.raises(DeviceOffline, match="not even a heartbeat"):
            until(device, 1)
        done.set()
        device.close()
        device.close()


def test_a_stream_that_is_reset_is_lost() -> None:
    """A camera that loses power in mid-sentence."""

    def talk(connection: socket.socket) -> None:
        asked(connection)
        connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n9\r\nhal")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with talking(talk) as url:
        device = stream(url, 60)
        device.open()
        with pytest.raises(DeviceOffline):
            until(device, 9)
        device.close()


def test_a_stream_is_not_read_before_it_is_opened() -> None:
    """The agent opens first; a device that refuses does not open."""
    with talking(answering(b"HTTP/1.1 404 No\r\n\r\n")) as url:
        device = stream(url, 60)
        with pytest.raises(DeviceOffline, match="not open"):
            device.read(0)
        with pytest.raises(DeviceOffline, match="knows no /s"):
            device.open()


def test_each_answer_is_whole() -> None:
    """What an answer begins and does not end never joins the next."""
    with talking(answering(OK + b"\r\none\ntw")) as url:
        device = HttpPoll(HttpDevice(HttpAccess(url=url, timeout_s=60)), "/p", Lines(), 0, 100)
        device.open()
        assert told(until(device, 4)) == [b"one", b"tw", b"one", b"tw"]
        device.close()
