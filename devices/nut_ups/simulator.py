"""A NUT server with one UPS in a back office, where the power fails now and then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message

NAME = "ups"


class Server:
    """Answers LIST UPS and LIST VAR; every LIST VAR is a moment later."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._rest = b""
        self._outage = 0  # answers until the mains are back
        self._charge = 100

    def hear(self, data: bytes) -> bytes:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join(self._answer(line.decode("ascii", "replace").strip()) for line in lines)

    def _answer(self, asked: str) -> bytes:
        if asked == "LIST UPS":
            return f'BEGIN LIST UPS\nUPS {NAME} "Back office"\nEND LIST UPS\n'.encode()
        if asked == f"LIST VAR {NAME}":
            return self.variables()
        return b"ERR UNKNOWN-UPS\n" if asked.startswith("LIST VAR") else b"ERR UNKNOWN-COMMAND\n"

    def variables(self) -> bytes:
        """The UPS as it is now."""
        self._outage = (
            self._outage - 1 if self._outage else (self._rng.randrange(3, 12) if self._rng.random() < 0.05 else 0)
        )
        self._charge = max(4, self._charge - 9) if self._outage else min(100, self._charge + 3)
        state = "OB DISCHRG" if self._outage else "OL" if self._charge == 100 else "OL CHRG"
        said = {
            "battery.charge": str(self._charge),
            "battery.runtime": str(self._charge * 24),
            "device.model": 'Smart \\"1000\\"',
            "ups.load": str(self._rng.randrange(20, 40)),
            "ups.status": f"{state} LB" if self._charge < 20 else state,
        }
        listed = "".join(f'VAR {NAME} {name} "{value}"\n' for name, value in said.items())
        return f"BEGIN LIST VAR {NAME}\n{listed}END LIST VAR {NAME}\n".encode()


def answerer(rng: Random) -> Server:
    """What `edge-agent simulate` plays."""
    return Server(rng)


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - it says no times
    """Endless answers to LIST VAR."""
    server = Server(rng)
    while True:
        yield Message("tcp", server.variables())
