"""An HTTP server that trusts a peer with nothing: not with sizes, not with time, not with the number of connections.

Whether a request is taken is judged by its head, before any of the body is kept.
"""

from __future__ import annotations

import io
import logging
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from devices.driver import Request
from edge_agent.bounded import Bounded, Broken, TooMuch, chunked, exactly
from edge_agent.doorkeeper import CHALLENGE, Refusal, plain_address

POLITE = 256 * 1024  # of a refused body that is read and thrown away, so that the peer hears the answer
Take = Callable[[bytes], None]
"""What is done with a whole body."""
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


class Server(ThreadingHTTPServer):
    """Bound at construction, serves in its own thread after `start`. headers: of every answer"""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], handler: type[Handler], limits: Limits, name: str, headers: Mapping[str, str]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)
        self.limits = limits
        self.headers = headers
        self._name = name
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._held = 0

    def server_bind(self) -> None:
        """Without asking the network what this machine is called, which may take long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name=self._name, daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        host = plain_address(client_address[0])
        with self._lock:
            full = self._open.total() >= self.limits.connections or self._open[host] >= self.limits.of_one
            if not full:
                self._open[host] += 1
        if full:
            log.info("event=%s-too-many from=%s", self._name, host)
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

    def hold(self, size: int) -> bool:
        """Whether there is room for a body of `size` bytes; a negative one gives room back."""
        with self._lock:
            if size > 0 and self._held + size > self.limits.bodies:
                return False
            self._held += size
            return True

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 (the base class's signature)
        """A device that hangs up in mid-sentence is no news; a driver's bug is, but not what it was fed."""
        log.info("event=%s-broken from=%s error=%s", self._name, client_address, type(sys.exception()).__name__)


class Handler(BaseHTTPRequestHandler):
    server: Server
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
            self.say(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"send headers of at most {limits.head} bytes")

    def judge(self, head: Request) -> Refusal | Take:
        """Whether a request is taken, by its head: `head.body` is empty."""
        raise NotImplementedError

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        take = self.judge(Request(self.command, url.path, dict(parse_qsl(url.query)), headers, b""))
        if isinstance(take, Refusal):
            return self._refuse(*take)
        room = self._room()
        if isinstance(room, Refusal):
            return self.say(*room)
        if not self.server.hold(room):
            return self.say(HTTPStatus.SERVICE_UNAVAILABLE, "too much at once; send it again")
        try:
            body = self._body(room)
            if body is not None:
                take(body)
        finally:
            self.server.hold(-room)

    do_PUT = do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Requests are counted, not logged."""

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
            self.say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"send at most {limits.body} bytes")
        except Broken:
            self.say(HTTPStatus.BAD_REQUEST, "the body is not as long as it says")
        return None

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """Who sends a body before it listens would find the connection reset, and no word why."""
        room = self._room()
        if "Transfer-Encoding" not in self.headers and isinstance(room, int) and room <= POLITE:
            self._bounded.allow(room, self.server.limits.head_s)
            self.rfile.read(room)
        self.say(status, reason)

    def say(self, status: HTTPStatus, reason: str) -> None:
        """An answer that is no success ends the connection, since what else came on it is not read."""
        self.close_connection = True
        self.answer(status, f"{reason}\n".encode(), "text/plain")

    def answer(self, status: int, body: bytes, content_type: str) -> None:
        self.close_connection = self.close_connection or status >= HTTPStatus.BAD_REQUEST
        self.connection.settimeout(self.server.limits.head_s)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", CHALLENGE)
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
