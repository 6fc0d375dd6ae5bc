"""What a record costs on the wire: TCP payload both ways below TLS, with receipts and heartbeats, over the real broker.

Backlog: batches of 2,000 till lines. Live: one till line a second. Idle: a store in which nothing happens, a day of it.
The bytes are counted by a proxy that ends TLS and begins it anew.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.buffer import till_lines
from benchmarks.figures import Figure, show
from benchmarks.scene import WAIT_S, Scene
from config import load
from edge_agent.daemon import Daemon
from edge_agent.keys import read_keys
from edge_agent.recorder.desk import Submission
from hq.data import Data
from records import Record, to_wire
from simulation.processes import wait_for

BACKLOG = 40_000
LIVE_S = 60
IDLE_S = 130
DAY_S = 86_400


class Counting:
    """Ends TLS with the broker's certificate, goes on with the box's, and counts what passes between the two."""

    def __init__(self, tls: Path, box: Path, broker_port: int) -> None:
        self.bytes = 0
        self._near = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._near.load_cert_chain(tls / "broker.crt", tls / "broker.key")
        self._far = ssl.create_default_context(cafile=tls / "ca.crt")
        self._far.load_cert_chain(box / "tls.crt", box / "tls.key")
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            raw, _ = self._listener.accept()
            with contextlib.suppress(OSError):
                near = self._near.wrap_socket(raw, server_side=True)
                far = self._far.wrap_socket(
                    socket.create_connection(("127.0.0.1", self._broker_port)), server_hostname="localhost"
                )
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, source: ssl.SSLSocket, target: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self.bytes += len(data)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextmanager
def running(path: Path) -> Iterator[Daemon]:
    """The agent in this process, so that records come from the generator instead of a device."""
    config, stop = load(path), threading.Event()
    daemon = Daemon(config, read_keys(config.hq), sha256(path.read_bytes()).hexdigest()[:16])
    thread = threading.Thread(target=daemon.run, args=(stop,))
    thread.start()
    try:
        yield daemon
    finally:
        stop.set()
        thread.join()


def configure(scene: Scene, port: int) -> None:
    said = yaml.safe_load(scene.agent.yaml.read_text())
    said["hq"]["brokers"] = [f"mqtts://localhost:{port}"]
    said["heartbeat_interval_s"] = 60
    scene.agent.yaml.write_text(yaml.safe_dump(said))


def plain(records: list[Record]) -> float:
    """Bytes of a record as MessagePack, without anything around it."""
    return sum(len(to_wire(record)) for record in records) / len(records)


def measure(scene: Scene, counting: Counting) -> list[Figure]:
    records = till_lines(BACKLOG + LIVE_S)
    numbers = scene.fill(records[:BACKLOG])
    with running(scene.agent.yaml) as daemon:
        wait_for("the backlog", WAIT_S, lambda: scene.stored() >= numbers)
        time.sleep(5)  # the last receipts
        backlog = counting.bytes / BACKLOG
        before = counting.bytes
        for record in records[BACKLOG:]:
            daemon.desk.submit(Submission("till-01", [record], [None], {}))
            time.sleep(1)
        time.sleep(5)
        live = (counting.bytes - before) / LIVE_S
        before = counting.bytes
        time.sleep(IDLE_S)
        idle = (counting.bytes - before) / IDLE_S * DAY_S / 1e6
    return [
        Figure("wire_bytes_live", live, "bytes/record", plain(records)),
        Figure("wire_bytes_backlog", backlog, "bytes/record", plain(records)),
        Figure("wire_idle_mb_day", idle, "MB"),
    ]


def main() -> None:
    with TemporaryDirectory() as folder, Scene(Path(folder)) as scene:
        data = Data(scene.hq.data)
        counting = Counting(data.tls, scene.agent.bundle, data.settings().mqtt_port)
        configure(scene, counting.port)
        show(measure(scene, counting))


if __name__ == "__main__":
    main()
