"""Mosquitto as headquarters' broker, with the configuration of docs/mosquitto, where the package is installed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hq import certificates
from hq.data import free_ports, private_directory
from hq.embedded import process
from tests.services import Files, client_files, new_authority

DOCS = Path(__file__).parent.parent / "docs" / "mosquitto"
PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
START_S = 60.0
needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="the package mosquitto is not installed")


@dataclass
class Mosquitto:
    """One broker with its own authority below `folder`. extra: lines before its listeners."""

    folder: Path
    port: int
    websocket_port: int
    authority: certificates.Identity
    extra: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def tls(self) -> Path:
        return self.folder / "tls"

    @property
    def url(self) -> str:
        """Where HQ's workers connect."""
        return f"mqtts://localhost:{self.port}"

    def box(self, store: str, box: str) -> Files:
        """A certificate; the ACL's pattern needs no word of it."""
        return client_files(self.tls, f"{store}.{box}", self.authority)

    def start(self) -> None:
        config = (DOCS / "mosquitto.conf").read_text()
        for said, here in (
            ("/etc/mosquitto/certs", str(self.tls)),
            ("/etc/mosquitto/store-edge.acl", str(self.folder / "store-edge.acl")),
            ("listener 8883", f"listener {self.port} 127.0.0.1"),
            ("listener 443", f"listener {self.websocket_port} 127.0.0.1"),
        ):
            assert said in config
            config = config.replace(said, here)
        (self.folder / "mosquitto.conf").write_text(f"user root\n{self.extra}{config}")
        shutil.copy(DOCS / "store-edge.acl", self.folder)
        argv = [PROGRAM or "mosquitto", "-c", str(self.folder / "mosquitto.conf")]
        self.process = process.start(argv, log=self.folder / "log", on_parent_death=signal.SIGTERM, user=None)
        deadline = time.monotonic() + START_S
        while not all(process.listens("127.0.0.1", port) for port in (self.port, self.websocket_port)):
            assert self.process.poll() is None, process.tail(self.folder / "log")
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(process.POLL_S)

    def stop(self) -> None:
        if self.process is not None:
            process.stop(self.process, signal.SIGTERM, START_S)
            self.process = None


@contextmanager
def mosquitto(folder: Path, extra: str = "") -> Iterator[Mosquitto]:
    """A running broker below `folder`."""
    authority = new_authority(private_directory(folder / "tls"))
    running = Mosquitto(folder, *free_ports(2), authority, extra)
    running.start()
    try:
        yield running
    finally:
        running.stop()
