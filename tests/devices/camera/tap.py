"""What a store says to its broker, below TLS: a relay that ends TLS as the broker and begins it anew as the box."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire.topics import parse_up
from tests.services import BrokerForTests, Files
from tests.simulation.wire import pump

_PUBLISH = 3


class Tap:
    """Listens on 127.0.0.1:`port` until `close`. sent: what the store said, a connection each, in order"""

    def __init__(self, broker: BrokerForTests, box: Files) -> None:
        self._near = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._near.load_cert_chain(broker.tls / "broker.crt", broker.tls / "broker.key")
        self._far = ssl.create_default_context(cafile=box.ca)
        self._far.load_cert_chain(box.certificate, box.key)
        self._broker = ("127.0.0.1", broker.mqtt_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = [self._listener]
        self.port: int = self._listener.getsockname()[1]
        self.sent: list[bytearray] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def parcels(self) -> list[Parcel]:
        """What was published as a whole so far, each once."""
        published = [message for said in self.sent for message in _published(bytes(said))]
        return [Parcel(b"", parse_up(topic)[1], payload) for topic, payload in dict.fromkeys(published)]

    def close(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                near = self._near.wrap_socket(raw, server_side=True)
                far = self._far.wrap_socket(socket.create_connection(self._broker), server_hostname="localhost")
                self._ends += [near, far]
                said = bytearray()
                self.sent.append(said)
                threading.Thread(target=pump, args=(near, far, said), daemon=True).start()
                threading.Thread(target=pump, args=(far, near, bytearray()), daemon=True).start()


def _published(said: bytes) -> Iterator[tuple[str, bytes]]:
    """Topic and payload of each whole PUBLISH (MQTT 3.1.1, sections 2.2 and 3.3)."""
    at = 0
    while len(said) >= at + 5:
        first, size, place = said[at], 0, 0
        at += 1
        while True:
            size |= (said[at] & 0x7F) << 7 * place
            place, at = place + 1, at + 1
            if said[at - 1] < 0x80:
                break
        packet = said[at : at + size]
        if len(packet) < size:
            return
        at += size
        if first >> 4 == _PUBLISH:
            name = int.from_bytes(packet[:2])
            begins = 2 + name + (2 if first & 0b110 else 0)  # past the number that asks for a receipt
            yield packet[2 : 2 + name].decode(), packet[begins:]
