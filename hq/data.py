"""HQ's data directory: where everything of one headquarters lies, and how it is written.

    hq.json                 names, ports, topic root, generation (`Settings`)
    tls/                    ca, broker, hq: certificates (.crt) and keys (.key), PEM
    keys/                   the keyring HQ needs every day (`hq.keys`)
    offline/                root.key and escrow.key, to be moved to a safe place
    boxes/STORE/BOX.json    the registry of boxes (`hq.boxes`)
    bundles/STORE.BOX/      what `store add` made for a box
    nats/ pg/ log/          the embedded broker's and database's own files, logs
    database.password       of the embedded database
    replay                  after a restore, until the broker's stream is taken again
    run.json                ports and process ids while `edge-hq up` runs

Directories are 0700 and files 0600; a file appears whole or not at all.
"""

from __future__ import annotations

import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path

import msgspec

PORTS = range(20_000, 32_000)  # below the kernel's range for outgoing connections, so that a restart finds them free


class Failure(Exception):
    """A command cannot do what was asked; the text says why and what to do."""


class DataError(Exception):
    """The data directory cannot be used; the text says what to do."""


class Settings(msgspec.Struct, frozen=True):
    """What was chosen when the data directory was made.

    names: host names or addresses by which boxes reach the broker; the first goes into their configuration
    host: address at which the broker listens for boxes and the console for people
    websocket_port: where the broker takes boxes over a WebSocket, 0 for nowhere
    """

    names: tuple[str, ...]
    host: str
    mqtt_port: int
    nats_port: int
    database_port: int
    console_port: int
    topic_root: str = "se"
    generation: int = 1
    websocket_port: int = 0


@dataclass(frozen=True)
class Data:
    """Paths below one data directory."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / "hq.json"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def offline(self) -> Path:
        return self.root / "offline"

    @property
    def boxes(self) -> Path:
        return self.root / "boxes"

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @property
    def broker(self) -> Path:
        return self.root / "nats"

    @property
    def database(self) -> Path:
        return self.root / "pg"

    @property
    def password_file(self) -> Path:
        return self.root / "database.password"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def run_file(self) -> Path:
        return self.root / "run.json"

    @property
    def replay_file(self) -> Path:
        """There while the broker's stream shall be taken from its beginning, after a restore."""
        return self.root / "replay"

    @property
    def lock_file(self) -> Path:
        return self.root / "up.lock"

    def settings(self) -> Settings:
        """What `init` wrote. Raises DataError."""
        try:
            return msgspec.json.decode(self.settings_file.read_bytes(), type=Settings)
        except FileNotFoundError:
            raise DataError(
                f"{self.root} holds no headquarters; make one with: edge-hq init --data {self.root}"
            ) from None
        except msgspec.DecodeError as error:
            raise DataError(f"{self.settings_file}: {error}; restore it from a backup") from error

    def existing(self) -> Data:
        """Itself, when a headquarters is in it. Raises DataError."""
        self.settings()
        return self

    def save(self, settings: Settings) -> None:
        write_private(self.settings_file, pretty(settings))


def pretty(value: object) -> bytes:
    """JSON as people read it, with a line's end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def private_directory(path: Path) -> Path:
    """Makes `path` and its missing parents, each 0700; an existing directory stays as it is."""
    for missing in reversed([p for p in (path, *path.parents) if not p.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Replaces `path` by `content`, 0600, durable; a crash leaves the old file or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def host_port(host: str, port: int) -> str:
    """As URLs write it: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def free_ports(count: int) -> list[int]:
    """Different TCP ports that nothing listens on at 127.0.0.1 at this moment. Raises DataError."""
    ports = [port for port in random.SystemRandom().sample(PORTS, 50 * count) if _is_free(port)]
    if len(ports) < count:
        raise DataError(f"no free ports between {PORTS.start} and {PORTS.stop}; end what listens there")
    return ports[:count]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
