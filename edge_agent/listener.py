"""Where devices that push over HTTP reach the agent: /push/<device id>. The answer follows the commit."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import TimeoutError as NotYet
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from devices.driver import Receiver, Request
from devices.options import PushOptions
from edge_agent.intake import Intake
from edge_agent.recorder.shell import BufferFull
from edge_agent.station import Station

MAX_BODY = 8 * 1024 * 1024
SOCKET_S = 10.0
COMMIT_S = 20.0
PREFIX = "/push/"
log = logging.getLogger(__name__)


class Pushing(NamedTuple):
    """A device that pushes. lock: its receiver is used by one request at a time."""

    receiver: Receiver
    options: PushOptions
    station: Station
    lock: threading.Lock


class Listener(ThreadingHTTPServer):
    """Bound at construction, serves in its own thread after `start`."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], pushing: Mapping[str, Pushing], intake: Intake) -> None:
        super().__init__(address, _Handler)
        self.pushing = pushing
        self.intake = intake

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="listener", daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 (the base class's signature)
        """A device that hangs up in mid-sentence is no news."""
        log.info("event=push-broken from=%s", client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    protocol_version = "HTTP/1.1"
    timeout = SOCKET_S

    def do_POST(self) -> None:
        self._push()

    def do_PUT(self) -> None:
        self._push()

    def do_GET(self) -> None:
        self._push()

    def log_message(self, format: str, *args: object) -> None:
        """Pushes are counted, not logged."""

    def _push(self) -> None:
        url = urlsplit(self.path)
        device = self.server.pushing.get(url.path.removeprefix(PREFIX).split("/")[0])
        if device is None or not url.path.startswith(PREFIX):
            return self._answer(404, b"no device pushes here; post to /push/<device id>\n")
        if device.options.allow_from and self.client_address[0] not in device.options.allow_from:
            return self._answer(403, b"this address may not post for this device; see allow_from\n")
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_BODY or self.headers.get("Transfer-Encoding"):
            return self._answer(413, b"send a Content-Length of at most 8 MiB\n")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length)
        return self._take(device, Request(self.command, url.path, dict(parse_qsl(url.query)), headers, body))

    def _take(self, device: Pushing, request: Request) -> None:
        intake = self.server.intake
        with device.lock:
            answer = device.receiver.receive(request, intake.clock.now().wall)
            done = intake.take(device.station, answer.items, waits=True) if answer.items else None
        try:
            if done is not None:
                done.result(COMMIT_S)
        except (NotYet, BufferFull):
            return self._answer(503, b"not on disk yet; send it again\n")
        return self._answer(answer.status, answer.body, answer.content_type)

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
        self.close_connection = self.close_connection or status >= 400
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
