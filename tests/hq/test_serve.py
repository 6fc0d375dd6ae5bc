"""`edge-hq serve` as a process: how it refuses to start, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hq.data import Data
from hq.headquarters import Wishes, init
from tests.browser.headquarters import serving


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """A headquarters whose database does not run."""
    data = Data(tmp_path / "hq")
    init(data, Wishes())
    data.password_file.write_text("secret\n")
    return data


def refused(data: Data) -> str:
    argv = [sys.executable, "-m", "hq", "serve", "--data", str(data.root)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    return done.stderr


def test_a_database_that_was_never_made_is_told(data: Data) -> None:
    """Without a database the command says which one makes it."""
    data.password_file.unlink()

    assert "start it with: edge-hq up" in refused(data)


def test_a_port_in_use_is_told(data: Data) -> None:
    """Where something else listens the command names the port and ends."""
    port = data.settings().console_port
    with socket.create_server(("127.0.0.1", port)):
        assert f"port {port} of 127.0.0.1: Address already in use; choose another port" in refused(data)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(data: Data, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the console with code 0."""
    with serving(data.root) as (_, console):
        console.send_signal(number)
        assert console.wait(60) == 0
