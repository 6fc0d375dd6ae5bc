"""The daemon's Unix socket, by which the command line asks it.

A client sends one JSON object in a line, `{"ask": NAME, ...}`; the daemon answers with bytes until it closes: one JSON
object in a line, `{"error": TEXT}` where it cannot, and after that line an export's content.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

SOCKET = "agent.sock"
WHOLE_S = 600.0  # how long it may take to look through a whole buffer
_LONGEST = 65_536
Said = dict[str, Any]
Answer = Callable[[Said], Iterable[bytes]]


class CannotAnswer(Exception):
    """The daemon understood and says why not."""


class Window(socketserver.ThreadingUnixStreamServer):
    """The daemon's side: whoever may open the socket gets the answer of the name it asks for."""

    daemon_threads = True

    def __init__(self, folder: Path, answers: Mapping[str, Answer]) -> None:
        path = folder / SOCKET
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Handler)
        path.chmod(0o600)
        self.answers = answers

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="window", daemon=True).start()


class _Handler(socketserver.StreamRequestHandler):
    server: Window
    timeout = WHOLE_S

    def handle(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            try:
                for piece in self._answer():
                    self.wfile.write(piece)
            except CannotAnswer as fault:
                self.wfile.write(line({"error": str(fault)}))

    def _answer(self) -> Iterable[bytes]:
        try:
            said = json.loads(self.rfile.readline(_LONGEST))
            answer = self.server.answers[said["ask"]]
        except (ValueError, TypeError, KeyError):
            raise CannotAnswer("this agent does not know the question; is it of the command's release?") from None
        return answer(said)


def line(said: Said) -> bytes:
    """An answer of one object."""
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


@contextmanager
def asked(folder: Path, name: str, within_s: float, **more: str) -> Iterator[tuple[Said, BinaryIO]]:
    """The answer's first line, and what follows it. OSError where no daemon listens, CannotAnswer where it refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(within_s)
        link.connect(str(folder / SOCKET))
        link.sendall(line({"ask": name, **more}))
        with link.makefile("rb") as answer:
            said = json.loads(answer.readline() or b'{"error": "the agent ended before it answered; see its log"}')
            if "error" in said:
                raise CannotAnswer(said["error"])
            yield said, answer


def ask(folder: Path, name: str, within_s: float, **more: str) -> Said:
    """The answer, where it is one object."""
    with asked(folder, name, within_s, **more) as (said, _):
        return said
