"""A TCP relay between a store and its broker that keeps every byte of both directions."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Wire:
    """Listens on 127.0.0.1:`port` after `open`, and passes everything on to 127.0.0.1:`target`."""

    def __init__(self, port: int, target: int) -> None:
        self._address = ("127.0.0.1", port)
        self._target = ("127.0.0.1", target)
        self._server: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self.up, self.down = bytearray(), bytearray()

    def open(self) -> None:
        self._server = socket.create_server(self._address)
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def close(self) -> None:
        """Nobody gets through any more."""
        for end in [*([self._server] if self._server else []), *self._ends]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                threading.Thread(target=pump, args=(near, far, self.up), daemon=True).start()
                threading.Thread(target=pump, args=(far, near, self.down), daemon=True).start()


def pump(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
    """Hands on what comes until the end of either, and keeps it."""
    with suppress(OSError):
        while data := source.recv(65_536):
            kept += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
