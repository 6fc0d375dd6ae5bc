"""`edge-agent discover` prints what is there as entries that `check` accepts, and asks nobody who was not named."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from edge_agent.cli import main
from edge_agent.discover import Found, Ports, as_yaml, at, plugged_in
from tests.config.least import WHOLE

SCANNER = "usb-Newland_NLS-HR22_0001-if00"
ADAPTER = "usb-1a86_USB_Serial-if00-port0"


def machine(root: Path) -> Path:
    """A file system with what a mini-PC in a store shows."""
    for name in (
        f"dev/serial/by-id/{SCANNER}",
        f"dev/serial/by-id/{ADAPTER}",
        "dev/input/by-id/usb-Honeywell_Scanner_1-event-kbd",
        "dev/input/by-id/usb-Logitech_Keyboard-event-kbd",
        "dev/input/by-id/usb-Logitech_Mouse-event-mouse",
        "sys/bus/w1/devices/28-0316a2b3c4d5/w1_slave",
        "sys/bus/w1/devices/w1_bus_master1/w1_master_slaves",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def entries(found: Iterator[Found]) -> list[dict[str, Any]]:
    return list(yaml.safe_load(as_yaml(found))["devices"])


def test_ports_scanners_and_thermometers_are_found(tmp_path: Path) -> None:
    """By id, what is known by its name as an entry, and what could be several things as a comment."""
    text = as_yaml(plugged_in(machine(tmp_path)))
    found = list(yaml.safe_load(text)["devices"])
    assert [(entry["id"], entry["driver"]) for entry in found] == [
        ("scanner-1", "scanner-serial"),
        ("scanner-2", "scanner-evdev"),
        ("thermometers-1", "w1-thermometer"),
    ]
    assert found[0]["port"] == f"/dev/serial/by-id/{SCANNER}"
    assert found[1]["input"] == "/dev/input/by-id/usb-Honeywell_Scanner_1-event-kbd"
    for comment in (ADAPTER, "Logitech_Keyboard", "28-0316a2b3c4d5"):
        assert f"{comment}" in text
    assert "Mouse" not in text


def test_what_is_printed_passes_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pasted into a store's file, also when nothing was found."""
    for number, root in enumerate((machine(tmp_path / "full"), tmp_path / "empty")):
        store = tmp_path / f"store-{number}.yaml"
        store.write_text(WHOLE + as_yaml(plugged_in(root)))
        assert main(["check", str(store)]) == 0, capsys.readouterr().err


class Camera(BaseHTTPRequestHandler):
    """Answers as the kind of camera does that the server is told to be."""

    def do_GET(self) -> None:
        realm, path = self.server.kind  # type: ignore[attr-defined]
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(401 if path in self.path else 404)
        if path in self.path:
            self.send_header("WWW-Authenticate", f'Digest realm="{realm}", nonce="1"')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stays quiet."""


@contextmanager
def serving(realm: str, path: str) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Camera)
    server.kind, server.asked = (realm, path), []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("realm", "path", "driver"),
    [
        ("IP Camera(C1234)", "/ISAPI/", "hikvision-count"),
        ("Login to 3E0123", "magicBox", "dahua-count"),
        ("AXIS_ACCC8E000001", "/axis-cgi/", "axis-count"),
    ],
)
def test_cameras_are_known_by_their_challenge(realm: str, path: str, driver: str) -> None:
    """Without a password; each becomes the entry of its driver."""
    with serving(realm, path) as server:
        found = entries(at("127.0.0.1", Ports(closed_port(), server.server_port)))
    assert [entry["driver"] for entry in found] == [driver]
    assert "127.0.0.1" in str(found)


def test_a_printer_is_called_and_nothing_is_sent() -> None:
    """One connection, no byte: paper stays in the printer."""
    with socket.create_server(("127.0.0.1", 0)) as printer:
        (found,) = at("127.0.0.1", Ports(printer.getsockname()[1], closed_port()))
        connection, _ = printer.accept()
        connection.settimeout(5)
        assert connection.recv(1) == b""
        connection.close()
    assert "receipt printers" in found.said


def test_who_does_not_answer_is_told() -> None:
    """And a web server that is no camera is no device."""
    ports = Ports(closed_port(), closed_port())
    (found,) = at("127.0.0.1", ports)
    assert "nothing answers" in found.said
    with serving("Router", "/nothing") as server:
        (found,) = at("127.0.0.1", Ports(closed_port(), server.server_port))
        assert len(server.asked) == 3  # type: ignore[attr-defined]
    assert "none of the cameras" in found.said


def test_what_a_device_says_stays_a_comment() -> None:
    """A line end in a banner does not become YAML."""
    text = as_yaml([Found("web", "banner\n- id: evil\r\n  driver: csv-drop\x85\u2028x")])
    assert yaml.safe_load(text) == {"devices": []}


def test_the_command_prints_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever this machine has; a host that is none is a usage error."""
    assert main(["discover"]) == 0
    assert "devices" in yaml.safe_load(capsys.readouterr().out)
    with pytest.raises(SystemExit):
        main(["discover", "--host", "http://a b"])
