"""Devices on this machine that are asked over HTTP: one that behaves, and one that says whatever it is told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.digest import Login
from devices.driver import Driver, Item, Taken
from devices.serve_way import ServeWay
from tests.devices.line import PATIENCE_S, listening

LOGIN = Login("counter", 'pa"ss')
Talk = Callable[[socket.socket], None]


def password(folder: Path, text: str = LOGIN.password) -> Path:
    """A password file."""
    place = folder / "password"
    place.write_text(f"{text}\n", encoding="utf-8")
    return place


@contextmanager
def serving(login: Login | None = LOGIN) -> Iterator[ServeWay]:
    """A simulated device."""
    way = ServeWay(("127.0.0.1", 0), login)
    try:
        yield way
    finally:
        way.close()


@contextmanager
def talking(talk: Talk) -> Iterator[str]:
    """The address of a device that treats each connection as `talk` does, and hangs up when that returns."""

    def patiently(connection: socket.socket, stop: threading.Event) -> None:
        connection.settimeout(5)
        talk(connection)

    with listening(patiently) as port:
        yield f"http://127.0.0.1:{port}"


def asked(connection: socket.socket) -> bytes:
    """The head of the question."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data:
            raise ConnectionError
        head += data
    return head


def answering(answer: bytes) -> Talk:
    """Says these bytes to every question."""

    def talk(connection: socket.socket) -> None:
        asked(connection)
        connection.sendall(answer)

    return talk


def until(device: Driver, wanted: int) -> list[Item]:
    """What the device brings until there are `wanted` items."""
    items: list[Item] = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        taken: Taken = device.read(0.02)
        items += taken.items
        if len(items) >= wanted:
            return items
    raise AssertionError(f"only {len(items)} of {wanted} came")
