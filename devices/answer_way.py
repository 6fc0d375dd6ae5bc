"""A simulated device that is asked over TCP: one connection after the other, as small devices take them."""

from __future__ import annotations

import socket
from contextlib import suppress
from types import TracebackType
from typing import Self

from devices.simulator import Answerer

_PIECE = 64 * 1024


class AnswerWay:
    """Listens at `address` (host, port; port 0: any free one); `place` is where, as HOST:PORT."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._server = socket.create_server(address)
        self.place = "{}:{}".format(*self._server.getsockname()[:2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):  # nobody may be connected
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def answer(self, device: Answerer, count: int) -> None:
        """Answers `count` times, whoever asks, or until it is closed."""
        while count > 0:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return  # closed
            with connection:
                count -= _answered(connection, device, count)


def _answered(connection: socket.socket, device: Answerer, count: int) -> int:
    """How often the device answered until it was hung up on."""
    done = 0
    while done < count:
        try:
            heard = connection.recv(_PIECE)
            if not heard:
                break
            if answer := device.hear(heard):
                connection.sendall(answer)
                done += 1
        except OSError:
            break  # reset: who asked is gone
    return done
