"""The ring's frames to one agent at a time, over a Unix socket; a new agent takes the place of the last."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path

from devices.escpos_tap.tee_frames import ANSWER
from edge_agent.relay.ring import Ring

_READ = 4096


def listening(path: Path) -> socket.socket:
    """The socket that agents connect to, for the relay's user and group."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    path.chmod(0o660)
    listener.listen(2)
    listener.setblocking(False)
    return listener


class Copies:
    """Never waits: what the agent does not take now stays in the ring."""

    def __init__(self, listener: socket.socket, ring: Ring, greeting: bytes) -> None:
        self._listener = listener
        self._ring = ring
        self._greeting = greeting
        self._agent: socket.socket | None = None
        self._place = 0  # of the next frame to send
        self._out = b""
        self._in = b""

    def interest(self) -> dict[int, int]:
        wanted = {self._listener.fileno(): select.POLLIN}
        if self._agent:
            waits = self._out or self._place < self._ring.head
            wanted[self._agent.fileno()] = select.POLLIN | (select.POLLOUT if waits else 0)
        return wanted

    def turn(self, events: dict[int, int]) -> None:
        if self._listener.fileno() in events:
            self._accept()
        try:
            self._hear()
            self._tell()
        except OSError:
            self.drop()

    def drop(self) -> None:
        """Lets go of the agent."""
        if self._agent:
            self._agent.close()
        self._agent = None

    def _accept(self) -> None:
        try:
            agent, _ = self._listener.accept()
        except OSError:
            return  # it has gone again
        self.drop()
        agent.setblocking(False)
        self._agent, self._place = agent, self._ring.tail
        self._out, self._in = self._greeting, b""

    def _hear(self) -> None:
        if self._agent is None:
            return
        try:
            told = self._agent.recv(_READ)
        except BlockingIOError:
            return
        if not told:
            self.drop()
            return
        self._in += told
        whole = len(self._in) // ANSWER.size * ANSWER.size
        if whole:
            (sequence,) = ANSWER.unpack(self._in[whole - ANSWER.size : whole])
            self._in = self._in[whole:]
            self._ring.forget(self._ring.first_after(sequence))

    def _tell(self) -> None:
        while self._agent:
            if not self._out:
                self._place = max(self._place, self._ring.tail)
                self._out = self._ring.frame(self._place)
                self._place += len(self._out)
            if not self._out:
                return
            try:
                self._out = self._out[self._agent.send(self._out) :]
            except BlockingIOError:
                return
