"""Devices behind a serial line, a TCP connection or a terminal server, that answer what is said to them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from serial import serial_for_url
from serial.rfc2217 import PortManager

from devices.driver import DeviceOffline, Driver, Item
from devices.simulator import PtyWay

PATIENCE_S = 60.0
Reply = Callable[[bytes], bytes]


@contextmanager
def playing(reply: Reply) -> Iterator[PtyWay]:
    """A serial device that answers each thing said by `reply`."""
    way, stop = PtyWay(), threading.Event()

    def answer() -> None:
        while not stop.wait(0.002):
            if way.listening and (heard := way.read(0.05)):
                way.write(reply(heard))

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield way
    finally:
        stop.set()
        thread.join()
        way.close()


@contextmanager
def serving(peer: Callable[[], Reply]) -> Iterator[int]:
    """A TCP server, one connection after the other; each gets a `peer` of its own, and hangs up on an empty reply."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            with connection:
                _talk(connection, peer(), stop)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stop.set()
        thread.join()
        server.close()


@contextmanager
def telnetting(reply: Reply) -> Iterator[str]:
    """The URL of a terminal server (RFC 2217) with a device behind it."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            with connection:
                _behind_telnet(connection, reply, stop)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"rfc2217://127.0.0.1:{server.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()
        server.close()


class _Wire:
    """What a port manager writes to."""

    def __init__(self, connection: socket.socket) -> None:
        self.write = connection.sendall


def _behind_telnet(connection: socket.socket, reply: Reply, stop: threading.Event) -> None:
    manager: Any = PortManager(cast(Any, serial_for_url("loop://")), cast(Any, _Wire(connection)))
    connection.settimeout(0.05)
    while not stop.is_set():
        try:
            data = connection.recv(4096)
            if not data:
                return
            heard = b"".join(manager.filter(data))
            if told := reply(heard):
                connection.sendall(b"".join(manager.escape(told)))
        except TimeoutError:
            continue
        except OSError:
            return


def _talk(connection: socket.socket, reply: Reply, stop: threading.Event) -> None:
    connection.settimeout(0.05)
    while not stop.is_set():
        try:
            heard = connection.recv(65_536)
            if not heard or not (told := reply(heard)):
                return
            connection.sendall(told)
        except TimeoutError:
            continue
        except OSError:
            return


def until(device: Driver, enough: Callable[[list[Item]], bool]) -> list[Item]:
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


def lost(device: Driver) -> str:
    """Why the device goes offline."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            device.read(0.05)
        except DeviceOffline as error:
            return str(error)
    raise AssertionError("the loss was not noticed")
