"""The ways in which simulated devices speak."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from devices.simulator import DropWay, Message, PtyWay, PushWay


def test_a_pty_says_bytes_as_they_are() -> None:
    """Nothing is echoed, translated or swallowed on the way."""
    way = PtyWay()
    port = os.open(way.port, os.O_RDWR | os.O_NOCTTY)
    way.say(Message("serial", bytes(range(256))))
    assert way.unread
    assert os.read(port, 1000) == bytes(range(256))
    assert not way.unread
    os.close(port)
    way.close()


def test_a_device_speaks_once_the_port_is_emptied() -> None:
    """Who opens a port drops what is in it: nothing is said between the two, and a port that was left is waited for."""
    way = PtyWay()
    for _ in range(2):
        assert not way.listening
        port = os.open(way.port, os.O_RDWR | os.O_NOCTTY)
        assert not way.listening
        termios.tcflush(port, termios.TCIFLUSH)
        assert way.listening
        os.write(port, b"asked")
        assert way.read(10) == b"asked"
        os.close(port)
    assert way.read(0) == b""
    way.close()


def test_a_drop_is_complete_when_it_has_its_name(tmp_path: Path) -> None:
    """A file appears under its name at once, and nothing else stays behind."""
    way = DropWay(tmp_path / "drop")
    way.say(Message("drop", b"a,b\n1,2\n", name="day.csv"))
    way.close()

    assert [(file.name, file.read_bytes()) for file in (tmp_path / "drop").iterdir()] == [("day.csv", b"a,b\n1,2\n")]


class Listener(HTTPServer):
    """Answers 503 twice, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Pushed)
        self.got: list[tuple[str, str, bytes]] = []


class Pushed(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200 if len(self.server.got) > 2 else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stays quiet."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_push_is_repeated_until_it_is_taken(listener: Listener) -> None:
    """What the listener did not answer with 200 is sent again, unchanged."""
    way = PushWay(f"http://127.0.0.1:{listener.server_port}/push/door", 0.01)
    way.say(Message("push", b"<x/>", content_type="application/xml"))
    way.close()

    assert listener.got == [("/push/door", "application/xml", b"<x/>")] * 3
