"""`edge-agent status`: asks the running daemon over its Unix socket, which answers with one JSON object a line."""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from config import load
from edge_agent.exits import Exit

SOCKET = "agent.sock"
ANSWER_S = 10.0


class Window(socketserver.ThreadingUnixStreamServer):
    """The daemon's side: whoever may open the socket gets `answer()`."""

    daemon_threads = True

    def __init__(self, folder: Path, answer: Callable[[], dict[str, Any]]) -> None:
        path = folder / SOCKET
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Handler)
        path.chmod(0o600)
        self.answer = answer

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="status", daemon=True).start()


class _Handler(socketserver.StreamRequestHandler):
    server: Window

    def handle(self) -> None:
        with suppress(BrokenPipeError):
            self.wfile.write(json.dumps(self.server.answer()).encode() + b"\n")


def main(path: Path) -> int:
    """Prints what the daemon of this configuration says; 1 when none answers."""
    config = load(path)
    try:
        said = _ask(config.data_dir / SOCKET)
    except OSError as fault:
        print(f"no agent answers at {config.data_dir / SOCKET} ({fault.strerror}); is it running?", file=sys.stderr)
        return Exit.FAILED
    print(json.dumps(said, indent=2, ensure_ascii=False))
    return Exit.DONE


def _ask(path: Path) -> Any:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(ANSWER_S)
        link.connect(str(path))
        with link.makefile("rb") as answer:
            return json.loads(answer.readline())
