"""`edge-hq serve`: the console as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from hq.console.app import make_app
from hq.data import Data, Failure
from hq.exits import Exit
from hq.headquarters import database

GRACE_S = 3
LOCAL = {"127.0.0.1", "localhost"}
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104  compared with, never listened on unasked


def main(data: Path, host: str, port: int) -> int:
    """Serves the console of the headquarters in `data` until a signal ends it. Raises DataError, Failure."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises again what ended it
    try:
        _serve(data, host, port)
    except KeyboardInterrupt:
        return Exit.DONE
    return Exit.DONE


def _serve(data: Path, host: str, port: int) -> None:
    hosts = ["*"] if host in EVERYWHERE else sorted({host, *LOCAL})
    app = make_app(_dsn(Data(data)), hosts, lambda: datetime.now(UTC))
    options = uvicorn.Config(
        app, access_log=False, server_header=False, log_level="warning", timeout_graceful_shutdown=GRACE_S
    )
    uvicorn.Server(options).run(sockets=[_listen(host, port)])


def _dsn(data: Data) -> str:
    try:
        return database(data).dsn()
    except FileNotFoundError:
        raise Failure(f"{data.root} has no database yet; start it with: edge-hq up --data {data.root}") from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Failure(f"port {port} of {host}: {os.strerror(error.errno or 0)}; choose another port") from error
