"""A device that is asked over HTTP: single questions, and answers that never end.

Every wait is bounded and the thread is never held longer than asked for, which is why the socket is read here and not
by a client library: a stream must be left after a second of silence and taken up again. One connection a question;
redirects are refused, since the password would go wherever they lead.
"""

from __future__ import annotations

import secrets
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from devices.digest import Login, basic, challenges, digest
from devices.driver import DeviceOffline
from devices.http_reply import BadReply, Reply
from devices.options import HttpAccess

_PIECE = 64 * 1024
_SHORTEST_WAIT_S = 0.001  # 0 would make a socket non-blocking


class _Question(NamedTuple):
    """document: JSON that goes with it."""

    method: str
    path: str
    document: bytes | None = None


class HttpDevice:
    """One device; remembers its last challenge, so that most questions need one exchange."""

    def __init__(self, access: HttpAccess) -> None:
        self._access = access
        self._challenge: dict[str, dict[str, str]] | None = None
        self._count = 0
        parts = urlsplit(access.url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._base = parts.path
        self._tls = parts.scheme == "https"

    def get(self, path: str, limit: int) -> bytes:
        """The whole body that `path` answers with; `DeviceOffline` where it is over `limit` bytes, late or refused."""
        return self._whole(_Question("GET", path), limit)

    def post(self, path: str, document: bytes, limit: int) -> bytes:
        """The same of what `path` answers to a JSON document."""
        return self._whole(_Question("POST", path, document), limit)

    def stream(self, path: str) -> Answer:
        """An answer whose body may go on for ever; `DeviceOffline` where there is none."""
        return self._asked(_Question("GET", path), time.monotonic() + self._access.timeout_s)

    def _whole(self, question: _Question, limit: int) -> bytes:
        deadline = time.monotonic() + self._access.timeout_s
        path, body = question.path, bytearray()
        with closing(self._asked(question, deadline)) as answer:
            while not answer.done:
                body += answer.read(deadline - time.monotonic())
                if len(body) > limit:
                    raise self._offline(f"answers {path} with more than {limit} bytes; is that the right device?")
                if not answer.done and time.monotonic() >= deadline:
                    raise self._offline(f"answers {path} too slowly; see timeout_s")
        return bytes(body)

    def _asked(self, question: _Question, deadline: float) -> Answer:
        """The answer once logged in: a refusal brings the challenge, which the second try answers."""
        login = self._login()
        for _ in range(2):
            answer = self._once(question, login, deadline)
            if answer.status == HTTPStatus.OK:
                return answer
            answer.close()
            if answer.status != HTTPStatus.UNAUTHORIZED or login is None:
                break
            self._challenge, self._count = challenges(answer.every("www-authenticate")), 0
        raise self._offline(_refusal(answer.status, question.path, login))

    def _once(self, question: _Question, login: Login | None, deadline: float) -> Answer:
        target = self._base + question.path
        lines = [f"{question.method} {target} HTTP/1.1", f"Host: {self._host_header}", "Accept: */*"]
        lines.append("Connection: close")
        if login and self._challenge is not None:
            lines.append(f"Authorization: {self._authorization(login, question.method, target)}")
        if question.document is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(question.document)}"]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        answer = Answer(self._connected(deadline), self._access.url)
        try:
            answer.ask(head + (question.document or b""), deadline)
        except DeviceOffline:
            answer.close()
            raise
        return answer

    def _authorization(self, login: Login, method: str, target: str) -> str:
        offered = self._challenge or {}
        if self._access.auth == "basic":
            return basic(login)
        self._count += 1
        header = digest(offered.get("digest", {}), login, method, target, secrets.token_hex(8), self._count)
        if header is None:
            raise self._offline("asks for a login other than digest; allow that on the device, or see `auth`")
        return header

    def _login(self) -> Login | None:
        place = self._access.password_file
        if place is None:
            return None
        try:
            lines = place.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DeviceOffline(f"password_file {place} cannot be read: {type(error).__name__}") from error
        return Login(self._access.user, lines[0] if lines else "")

    def _connected(self, deadline: float) -> socket.socket:
        wait = max(deadline - time.monotonic(), _SHORTEST_WAIT_S)
        try:
            plain = socket.create_connection((self._host, self._port), wait)
            return self._secured(plain) if self._tls else plain
        except (OSError, UnicodeError) as error:
            raise self._offline(_hint(error)) from error

    def _secured(self, plain: socket.socket) -> socket.socket:
        try:
            place = self._access.ca_file
            return ssl.create_default_context(cafile=place).wrap_socket(plain, server_hostname=self._host)
        except OSError:
            plain.close()
            raise

    @property
    def _host_header(self) -> str:
        return urlsplit(self._access.url).netloc

    def _offline(self, reason: str) -> DeviceOffline:
        return DeviceOffline(f"{self._access.url}: {reason}")


class Answer:
    """An answer on its connection. `done`: its body has ended."""

    def __init__(self, connection: socket.socket, url: str) -> None:
        self._connection = connection
        self._url = url
        self._reply = Reply()
        self._early = b""  # of the body, what came with the head

    @property
    def status(self) -> int:
        return self._reply.status or 0

    @property
    def done(self) -> bool:
        return self._reply.done and not self._early

    def every(self, header: str) -> list[str]:
        return self._reply.every(header)

    def ask(self, request: bytes, deadline: float) -> None:
        """Sends the question and waits for the head of the answer."""
        try:
            self._connection.settimeout(max(deadline - time.monotonic(), _SHORTEST_WAIT_S))
            self._connection.sendall(request)
        except OSError as error:
            raise DeviceOffline(f"{self._url}: {_hint(error)}") from error
        while self.status < HTTPStatus.OK and not self._reply.done:
            if time.monotonic() >= deadline:
                raise DeviceOffline(f"{self._url}: does not answer in time; see timeout_s")
            self._early += self._received(deadline - time.monotonic())

    def read(self, timeout_s: float) -> bytes:
        """What of the body came within the time, perhaps nothing; `DeviceOffline` when it broke off."""
        if self._early or self._reply.done:
            early, self._early = self._early, b""
            return early
        return self._received(timeout_s)

    def close(self) -> None:
        self._connection.close()

    def _received(self, timeout_s: float) -> bytes:
        try:
            self._connection.settimeout(max(timeout_s, _SHORTEST_WAIT_S))
            data = self._connection.recv(_PIECE)
            if data:
                return self._reply.feed(data)
            self._reply.end()
        except TimeoutError:
            return b""
        except BadReply as error:
            raise DeviceOffline(f"{self._url}: {error}") from error
        except OSError as error:
            raise DeviceOffline(f"{self._url}: {_hint(error)}") from error
        return b""


_HINTS: Mapping[type[Exception], str] = {
    ssl.SSLCertVerificationError: "its certificate cannot be verified; see ca_file",
    ssl.SSLError: "it speaks no TLS; use http://, or switch HTTPS on there",
    socket.gaierror: "there is no such host; check url and the network's name server",
    TimeoutError: "it does not answer; check its power, the cable and the address",
    ConnectionRefusedError: "nothing listens there; check address and port, and that its HTTP server is on",
    ConnectionError: "it broke the connection off; it may be restarting",
    FileNotFoundError: "ca_file is missing",
    UnicodeError: "that is no host name; check url",
}


def _hint(error: Exception) -> str:
    known = next((hint for kind, hint in _HINTS.items() if isinstance(error, kind)), None)
    return known or f"cannot be reached ({type(error).__name__}); check the network"


def _refusal(status: int, path: str, login: Login | None) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return "refuses user and password; check them" if login else "wants a login; set user and password_file"
    if status == HTTPStatus.FORBIDDEN:
        return f"the user may not read {path}; give the right on the device, or wait if it has locked the user out"
    if status == HTTPStatus.NOT_FOUND:
        return f"knows no {path}; the model or its firmware lacks it"
    if 300 <= status < 400:
        return f"sends elsewhere (status {status}); set url to the address that answers itself"
    return f"answers {path} with status {status}"
