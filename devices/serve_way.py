"""A simulated device that is asked over HTTP: a small server whose answer is the last message, after a digest login."""

from __future__ import annotations

import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from devices.digest import Login, challenges, digest
from devices.simulator import Message

_REALM = "simulated device"
_WAIT_S = 0.1


class ServeWay:
    """Answers any path at `address` (host, port; port 0: any free one) with the last message; `url` is where.

    login: who may ask; None: everybody
    """

    def __init__(self, address: tuple[str, int], login: Login | None) -> None:
        self._server = _Server(address, login)
        self.url = "http://{}:{}".format(*self._server.server_address[:2])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def say(self, message: Message) -> None:
        """Puts the message up and waits until it was asked for, so that none is missed."""
        self._server.asked.clear()
        self._server.message = message
        while not self._server.asked.wait(_WAIT_S):
            pass

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], login: Login | None) -> None:
        super().__init__(address, _Handler)
        self.login = login
        self.nonce = secrets.token_hex(16)
        self.message = Message("serve", b"")
        self.asked = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._known():
            self._answer(HTTPStatus.UNAUTHORIZED, Message("serve", b"", content_type="text/plain"))
            return
        message = self.server.message
        self._answer(HTTPStatus.OK, message)
        if message.body:
            self.server.asked.set()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Questions are not logged."""

    def _known(self) -> bool:
        login = self.server.login
        if login is None:
            return True
        header = self.headers.get("Authorization", "")
        told = challenges([header]).get("digest", {})
        if told.get("nonce") != self.server.nonce or told.get("uri") != self.path:
            return False
        count = int(told.get("nc", "0"), 16)
        wanted = digest(self._challenge(), login, self.command, self.path, told.get("cnonce", ""), count)
        return wanted is not None and challenges([wanted])["digest"]["response"] == told.get("response")

    def _challenge(self) -> dict[str, str]:
        return {"realm": _REALM, "nonce": self.server.nonce, "qop": "auth", "algorithm": "MD5"}

    def _answer(self, status: HTTPStatus, message: Message) -> None:
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            told = ", ".join(f'{key}="{value}"' for key, value in self._challenge().items())
            self.send_header("WWW-Authenticate", f"Digest {told}")
        self.send_header("Content-Type", message.content_type)
        self.send_header("Content-Length", str(len(message.body)))
        self.end_headers()
        self.wfile.write(message.body)
