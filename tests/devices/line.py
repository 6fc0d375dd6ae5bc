"""Devices behind a serial line, a TCP connection or a terminal server, that answer what is said to them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from serial import serial_for_url
from serial.rfc2217 import PortManager

from devices.driver import Context, DeviceOffline, Driver, Item
from devices.registry import driver
from devices.simulator import PtyWay

PATIENCE_S = 60.0
_PIECE = 7  # bytes of a reply that come at once, as adapters bring them
Reply = Callable[[bytes], bytes]
Talk = Callable[[socket.socket, threading.Event], None]


def made(name: str, state: dict[str, bytes] | None = None, **settings: Any) -> Driver:
    """A driver that fetches, with these settings. state: what it kept of a former life"""
    package = driver(name)
    options = package.options.model_validate({"id": "d", "driver": name, **settings})
    device = package.device(options, Context({} if state is None else state))
    assert isinstance(device, Driver)
    return device


def opened(name: str, **settings: Any) -> Driver:
    device = made(name, **settings)
    device.open()
    return device


@contextmanager
def playing(reply: Reply) -> Iterator[PtyWay]:
    """A serial device that answers each thing said by `reply`."""
    way, stop = PtyWay(), threading.Event()

    def answer() -> None:
        while not stop.wait(0.002):
            said = reply(heard) if way.listening and (heard := way.read(0.05)) else b""
            for place in range(0, len(said), _PIECE):
                way.write(said[place : place + _PIECE])
                stop.wait(0.003)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield way
    finally:
        stop.set()
        thread.join()
        way.close()


@contextmanager
def listening(talk: Talk) -> Iterator[int]:
    """A TCP server's port, where each connection, one after the other, is treated as `talk` does until the event."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            with connection, suppress(OSError):  # whoever asked may hang up
                talk(connection, stop)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stop.set()
        thread.join()
        server.close()


@contextmanager
def serving(peer: Callable[[], Reply]) -> Iterator[int]:
    """A TCP server, each of whose connections gets a `peer` of its own, and is hung up on at an empty reply."""

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        reply = peer()
        for heard in _heard(connection, stop):
            if not (told := reply(heard)):
                return
            connection.sendall(told)

    with listening(talk) as port:
        yield port


@contextmanager
def telnetting(reply: Reply) -> Iterator[str]:
    """The URL of a terminal server (RFC 2217) with a device behind it."""

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        manager: Any = PortManager(cast(Any, serial_for_url("loop://")), cast(Any, _Wire(connection)))
        for heard in _heard(connection, stop):
            if told := reply(b"".join(manager.filter(heard))):
                connection.sendall(b"".join(manager.escape(told)))

    with listening(talk) as port:
        yield f"rfc2217://127.0.0.1:{port}"


class _Wire:
    """What a port manager writes to."""

    def __init__(self, connection: socket.socket) -> None:
        self.write = connection.sendall


def _heard(connection: socket.socket, stop: threading.Event) -> Iterator[bytes]:
    while not stop.is_set():
        connection.settimeout(0.05)
        try:
            data = connection.recv(65_536)
        except TimeoutError:
            continue
        if not data:
            return
        connection.settimeout(PATIENCE_S)
        yield data


def until(device: Driver, enough: Callable[[list[Item]], object]) -> list[Item]:
    """What the device brings until it is enough; each take is confirmed."""
    items: list[Item] = []
    deadline = time.monotonic() + PATIENCE_S
    while not enough(items):
        assert time.monotonic() < deadline, items
        taken = device.read(0.05)
        items += taken.items
        if taken.confirm:
            taken.confirm()
    return items


def last_words(device: Driver) -> tuple[list[Item], str]:
    """What the device brings before it goes offline, and why it does."""
    items: list[Item] = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            items += device.read(0.05).items
        except DeviceOffline as error:
            return items, str(error)
    raise AssertionError("the loss was not noticed")


def lost(device: Driver) -> str:
    """Why the device goes offline."""
    return last_words(device)[1]
