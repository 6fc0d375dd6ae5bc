"""A real broker as a store would have one: no TLS, anybody may publish."""

from __future__ import annotations

import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hq.data import free_ports

PATIENCE_S = 60.0


@contextmanager
def broker(folder: Path, login: str = "") -> Iterator[int]:
    """The MQTT port of a broker that runs as long as the context. login: user:password, for nobody else."""
    mqtt, other = free_ports(2)
    user, _, password = login.partition(":")
    known = f"authorization {{ user: {user}, password: {password} }}" if user else ""
    (folder / "broker.conf").write_text(
        f'server_name: store\nlisten: "127.0.0.1:{other}"\njetstream {{ store_dir: "{folder}/data" }}\n'
        f'mqtt {{ listen: "127.0.0.1:{mqtt}" }}\n{known}\n'
    )
    server = subprocess.Popen(
        [str(Path(sysconfig.get_path("scripts")) / "nats-server"), "-c", str(folder / "broker.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(mqtt)
        yield mqtt
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the broker does not start"
            time.sleep(0.02)
