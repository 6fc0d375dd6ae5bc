"""Where devices that push over HTTP reach the agent: /push/<device id>. The answer follows the commit.

A peer is trusted with nothing: not with sizes, not with time, not with the number of its connections. Whether it may
push is judged by its headers, before any of the body is kept.
"""

from __future__ import annotations

import io
import logging
import socket
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import TimeoutError as NotYet
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from devices.driver import Receiver, Request
from devices.options import PushOptions
from edge_agent.bounded import Bounded, Broken, TooMuch, chunked, exactly
from edge_agent.doorkeeper import CHALLENGE, Refusal, plain_address, refusal
from edge_agent.intake import Intake
from edge_agent.recorder.desk import BufferFull
from edge_agent.station import Station

COMMIT_S = 20.0
POLITE = 256 * 1024  # of a refused body that is read and thrown away, so that the peer hears the answer
PREFIX = "/push/"
log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """Of a peer. head, body: bytes; head_s, body_s: until the last byte of it, whatever drips meanwhile.

    connections, of_one: at once, of all and of one address; bodies: bytes of all bodies that are held at once
    """

    head: int = 16 * 1024
    body: int = 8 * 1024 * 1024
    head_s: float = 10.0
    body_s: float = 30.0
    connections: int = 128
    of_one: int = 32
    bodies: int = 64 * 1024 * 1024


class Pushing(NamedTuple):
    """A device that pushes. lock: its receiver is used by one request at a time."""

    receiver: Receiver
    options: PushOptions
    station: Station
    lock: threading.Lock


class Listener(ThreadingHTTPServer):
    """Bound at construction, serves in its own thread after `start`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], pushing: Mapping[str, Pushing], intake: Intake, limits: Limits
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        self.pushing = pushing
        self.intake = intake
        self.limits = limits
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._held = 0

    def server_bind(self) -> None:
        """Without asking the network what this machine is called, which may take long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="listener", daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        host = plain_address(client_address[0])
        with self._lock:
            full = self._open.total() >= self.limits.connections or self._open[host] >= self.limits.of_one
            if not full:
                self._open[host] += 1
        if full:
            log.info("event=push-too-many from=%s", host)
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            host = plain_address(client_address[0])
            with self._lock:
                self._open[host] -= 1
                self._open += Counter()  # forgets who has none

    def addressed(self, path: str, query: Mapping[str, str]) -> tuple[str, str]:
        """Whose push it is, by its id, and the word behind that; an id that nobody has where it is nobody's."""
        if path.startswith(PREFIX):
            id_, _, word = path.removeprefix(PREFIX).partition("/")
            return id_, word
        return next((id_ for id_, device in self.pushing.items() if device.options.takes(path, query)), ""), ""

    def hold(self, size: int) -> bool:
        """Whether there is room for a body of `size` bytes; a negative one gives room back."""
        with self._lock:
            if size > 0 and self._held + size > self.limits.bodies:
                return False
            self._held += size
            return True

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 (the base class's signature)
        """A device that hangs up in mid-sentence is no news; a driver's bug is, but not what it was fed."""
        log.info("event=push-broken from=%s error=%s", client_address, type(sys.exception()).__name__)


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    protocol_version = "HTTP/1.1"
    wbufsize = 8192  # head and body of an answer in one packet

    def setup(self) -> None:
        super().setup()
        self._bounded = Bounded(self.connection)
        self.rfile = io.BufferedReader(self._bounded)
        self.host = plain_address(self.client_address[0])

    def handle_one_request(self) -> None:
        limits = self.server.limits
        self._bounded.allow(limits.head, limits.head_s)
        self.request_version, self.requestline, self.command = self.protocol_version, "", ""
        try:
            super().handle_one_request()
        except TooMuch:
            self._say(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"send headers of at most {limits.head} bytes")

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
        query = dict(parse_qsl(url.query))
        id_, word = self.server.addressed(url.path, query)
        device = self.server.pushing.get(id_)
        if device is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "no device pushes here; post to /push/<device id>")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if refused := refusal(device.options, self.host, word, headers):
            log.info("event=push-refused device=%s from=%s status=%d", id_, self.host, refused.status)
            return self._refuse(*refused)
        room = self._room()
        if isinstance(room, Refusal):
            return self._say(*room)
        if not self.server.hold(room):
            return self._say(HTTPStatus.SERVICE_UNAVAILABLE, "too much at once; send it again")
        try:
            body = self._body(room)
            if body is not None:
                path = url.path.removesuffix(f"/{word}") if device.options.token_file else url.path
                self._take(device, Request(self.command, path, query, headers, body))
        finally:
            self.server.hold(-room)

    def _room(self) -> int | Refusal:
        """How many bytes the body may have: as many as it says, or the limit where it comes in chunks."""
        most = self.server.limits.body
        if encoding := self.headers.get("Transfer-Encoding"):
            known = encoding.lower() == "chunked" and "Content-Length" not in self.headers
            return most if known else Refusal(HTTPStatus.BAD_REQUEST, "send it in chunks or with a Content-Length")
        told = set(self.headers.get_all("Content-Length", ["0"]))
        if len(told) > 1 or not (length := told.pop()).isascii() or not length.isdigit():
            return Refusal(HTTPStatus.BAD_REQUEST, "the Content-Length must be one number")
        if len(length) > len(str(most)) or int(length) > most:
            return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"send at most {most} bytes")
        return int(length)

    def _body(self, room: int) -> bytes | None:
        """The whole body; None where it has been refused. `TimeoutError` for who is too slow."""
        limits = self.server.limits
        in_chunks = "Transfer-Encoding" in self.headers
        self._bounded.allow(2 * room + limits.head if in_chunks else room, limits.body_s)
        try:
            return chunked(self.rfile, room) if in_chunks else exactly(self.rfile, room)
        except TooMuch:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"send at most {limits.body} bytes")
        except Broken:
            self._say(HTTPStatus.BAD_REQUEST, "the body is not as long as it says")
        return None

    def _take(self, device: Pushing, request: Request) -> None:
        intake = self.server.intake
        with device.lock:
            answer = device.receiver.receive(request, intake.clock.now().wall)
            done = intake.take(device.station, answer.items, waits=True) if answer.items else None
        try:
            if done is not None:
                done.result(COMMIT_S)
        except (NotYet, BufferFull):
            return self._say(HTTPStatus.SERVICE_UNAVAILABLE, "not on disk yet; send it again")
        return self._answer(answer.status, answer.body, answer.content_type)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """Who sends a body before it listens would find the connection reset, and no word why."""
        room = self._room()
        if "Transfer-Encoding" not in self.headers and isinstance(room, int) and room <= POLITE:
            self._bounded.allow(room, self.server.limits.head_s)
            self.rfile.read(room)
        self._say(status, reason)

    def _say(self, status: HTTPStatus, reason: str) -> None:
        """An answer that is no success ends the connection, since what else came on it is not read."""
        self.close_connection = True
        self._answer(status, f"{reason}\n".encode(), "text/plain")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.close_connection = self.close_connection or status >= HTTPStatus.BAD_REQUEST
        self.connection.settimeout(self.server.limits.head_s)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", CHALLENGE)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
