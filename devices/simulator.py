"""What a simulated device says, and the ways to say it: a pseudo-terminal, a drop folder, an HTTP push, a database.

Each driver's `simulator.messages` yields the bytes of the real protocol; nothing here knows any of them.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
import tty
from http import HTTPStatus
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

_EMPTYING_S = 2.0


class Message(NamedTuple):
    """One thing a simulated device says.

    way: how it reaches the agent
    body: the protocol's bytes
    name: file name of a drop, topic of a publication, what follows the address of a push
    content_type: of a push
    """

    way: Literal["serial", "input", "drop", "push", "sql", "serve", "file", "video", "mqtt", "tcp"]
    body: bytes
    name: str = ""
    content_type: str = "application/octet-stream"


class Way(Protocol):
    """One way to say messages."""

    def say(self, message: Message) -> None:
        """Hands the message over; waits as the device would."""
        ...

    def close(self) -> None:
        """Goes away, as a device does that is unplugged."""
        ...


class Answerer(Protocol):
    """A simulated device that speaks only when it is asked: a driver's `simulator.answerer(rng)` makes one."""

    def hear(self, data: bytes) -> bytes:
        """What it says to what came over its line or connection, perhaps nothing."""
        ...


class PtyWay:
    """A serial device on a pseudo-terminal; `port` is the path that a driver opens.

    The terminal is in packet mode (tty_ioctl(4), TIOCPKT), which tells when a program empties its side.
    """

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        fcntl.ioctl(self._master, termios.TIOCPKT, struct.pack("i", 1))
        self.port = os.ttyname(slave)
        os.close(slave)
        self._opened: float | None = None
        self._emptied = False

    def say(self, message: Message) -> None:
        """Writes it all; waits while the line is full."""
        self.write(message.body)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._master, data) :]

    def read(self, timeout_s: float) -> bytes:
        """What a program wrote to the port within the time; nothing while none has it open."""
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        ready = poll.poll(timeout_s * 1000)
        return self._packet() if ready and ready[0][1] & select.POLLIN else b""

    def _packet(self) -> bytes:
        packet = os.read(self._master, 4096)
        self._emptied |= bool(packet[0] & termios.TIOCPKT_FLUSHREAD)
        return packet[1:]

    @property
    def listening(self) -> bool:
        """Whether a program has the port open and hears what is said.

        Who opens a port empties it first, as pyserial does; what was said before that is lost. A program that does not
        is taken to listen after a while.
        """
        poll = select.poll()
        poll.register(self._master, select.POLLPRI)  # a hang-up is told without asking
        told = poll.poll(0)
        if told and told[0][1] & select.POLLHUP:
            self._opened, self._emptied = None, False
            return False
        if told:
            self._packet()
        self._opened = self._opened or time.monotonic()
        return self._emptied or time.monotonic() - self._opened > _EMPTYING_S

    @property
    def unread(self) -> bool:
        """Whether bytes wait to be read. To poll the port moves what was just written to where it is read."""
        port = os.open(self.port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            poll = select.poll()
            poll.register(port, select.POLLIN)
            return bool(poll.poll(0))
        finally:
            os.close(port)

    def close(self) -> None:
        """Unplugs: a driver that has the port open loses it."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1


class DropWay:
    """Files into a folder, each complete from the moment it has its name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, message: Message) -> None:
        begun = self._folder / f".{message.name}.tmp"
        begun.write_bytes(message.body)
        begun.rename(self._folder / message.name)

    def close(self) -> None:
        """Nothing is held."""


class FileWay:
    """Files that are kept up to date in place; a name may begin with folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def say(self, message: Message) -> None:
        place = self._folder / message.name
        place.parent.mkdir(parents=True, exist_ok=True)
        begun = place.with_suffix(".tmp")
        begun.write_bytes(message.body)
        begun.rename(place)

    def close(self) -> None:
        """Nothing is held."""


class MqttWay:
    """A gateway that publishes to a broker; a message's name is its topic."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    def say(self, message: Message) -> None:
        """One connection a message; returns once the broker has it."""
        from paho.mqtt.publish import single  # drivers import this module for `Message` alone

        single(message.name, message.body, qos=1, hostname=self._host, port=self._port)

    def close(self) -> None:
        """Nothing is held."""


class SqliteWay:
    """A till that writes its sales into its own SQLite database; a message is a script of statements."""

    def __init__(self, file: Path) -> None:
        from sqlite3 import connect  # drivers import this module for `Message` alone

        self._database = connect(file)

    def say(self, message: Message) -> None:
        self._database.executescript(f"BEGIN;\n{message.body.decode()}\nCOMMIT;")

    def close(self) -> None:
        self._database.close()


class PushWay:
    """Posts to the agent's listener, again and again until it answers 200, as cameras do that send late data."""

    def __init__(self, url: str, retry_s: float) -> None:
        from requests import Session  # drivers import this module for `Message` alone

        self._url = url
        self._retry_s = retry_s
        self._session = Session()

    def say(self, message: Message) -> None:
        while not self._taken(message):
            time.sleep(self._retry_s)

    def _taken(self, message: Message) -> bool:
        from requests import RequestException

        headers = {"Content-Type": message.content_type}
        try:
            answer = self._session.post(self._url + message.name, message.body, headers=headers, timeout=10)
        except RequestException:
            return False
        return answer.status_code == HTTPStatus.OK

    def close(self) -> None:
        self._session.close()
