"""`edge-agent simulate` plays a device over the way that the real one takes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests
import serial

from edge_agent.cli import main

AGENT = [sys.executable, "-m", "edge_agent", "simulate"]


@contextmanager
def playing(*args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command running, and the line that it printed first."""
    with subprocess.Popen([*AGENT, *args], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def _read(port: str, lines: int) -> list[bytes]:
    with serial.Serial(port, timeout=60) as opened:
        return [opened.read_until(b"\r") for _ in range(lines)]


def test_a_serial_device_opens_a_port_and_says_its_lines(tmp_path: Path) -> None:
    """All messages are heard before it ends, and the same seed says the same."""
    heard = []
    for _ in range(2):
        with playing("scanner-serial", "--count", "20", "--interval-s", "0", "--seed", "7") as (process, port):
            heard.append(_read(port, 20))
            assert process.wait(60) == 0
    assert heard[0] == heard[1]
    assert all(line.endswith(b"\r") for line in heard[0])


def test_to_names_a_link_that_goes_when_it_ends(tmp_path: Path) -> None:
    """So that a configuration can name the port beforehand."""
    link = tmp_path / "scanner"
    with playing("scanner-serial", "--count", "2", "--interval-s", "0", "--to", str(link)) as (process, port):
        assert port == str(link)
        assert len(_read(port, 2)) == 2
        assert process.wait(60) == 0
    assert not link.is_symlink()


def test_drops_go_into_the_folder(tmp_path: Path) -> None:
    """One file a message, none half written."""
    arguments = ["simulate", "csv-drop", "--to", str(tmp_path), "--count", "3", "--interval-s", "0"]
    assert main(arguments) == 0
    assert len(list(tmp_path.glob("*.csv"))) == 3
    assert not list(tmp_path.glob(".*"))


class Counted(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stays quiet."""


def test_pushes_go_to_the_address() -> None:
    """One post a message."""
    server = HTTPServer(("127.0.0.1", 0), Counted)
    server.bodies = []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/push/door-1"
        assert main(["simulate", "hikvision-count", "--to", url, "--count", "3", "--interval-s", "0"]) == 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(server.bodies) == 3  # type: ignore[attr-defined]


def test_what_is_missing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A push needs an address, and a driver must exist."""
    assert main(["simulate", "hikvision-count"]) == 2
    assert "--to http" in capsys.readouterr().err
    assert main(["simulate", "nothing"]) == 2
    assert "edge-agent drivers" in capsys.readouterr().err


def test_an_interrupt_ends_it_cleanly(tmp_path: Path) -> None:
    """Ctrl-C while nobody reads: no traceback, no link left."""
    link = tmp_path / "port"
    with playing("scanner-serial", "--to", str(link), "--interval-s", "60") as (process, _):
        deadline = time.monotonic() + 60
        while not link.is_symlink():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert not link.is_symlink()


def test_a_device_that_is_asked_listens_and_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """It answers with one message after the other, and ends when the last was asked for."""
    with playing("dahua-count", "--to", "127.0.0.1:0", "--count", "3", "--interval-s", "0") as (process, url):
        bodies = set()
        while process.poll() is None:
            with suppress(requests.RequestException):
                bodies.add(requests.get(f"{url}/x", timeout=60).content)
    assert process.returncode == 0
    assert any(b"summary.EnteredSubtotal.Total=" in body for body in bodies)
    assert main(["simulate", "dahua-count", "--to", "nowhere"]) == 1
    assert "no HOST:PORT" in capsys.readouterr().err
