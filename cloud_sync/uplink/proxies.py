"""Reaching a broker through a proxy: HTTP CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928, login by RFC 1929).

The proxy resolves the broker's name. TLS runs from the box to the broker in any case, so that a proxy learns a name and
a port and nothing else. Written here since paho's way, PySocks, had its last release in 2019 and sends no login over
HTTP.
"""

from __future__ import annotations

import socket
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MAX_ANSWER = 16_384
_NO_LOGIN, _LOGIN = 0, 2
_REASONS = (
    "", "general failure", "not allowed by its rules", "network unreachable", "host unreachable", "connection refused",
    "TTL expired", "command not supported", "address type not supported",
)  # fmt: skip
_ADDRESS = {1: 4, 4: 16}


class ProxyError(OSError):
    """The proxy does not let us through, or is none; the message says why."""


@dataclass(frozen=True)
class Proxy:
    """url: `http://host:port` or `socks5://host:port`; login: a file of one line `user:password`, or None."""

    url: str
    login: Path | None

    def __str__(self) -> str:
        return self.url

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def tunnel(self, link: socket.socket, host: str, port: int) -> None:
        """Makes a fresh connection to the proxy one to host:port. Raises OSError."""
        login = self._read_login()
        if urlsplit(self.url).scheme == "http":
            _connect(link, _host_port(host, port), login)
        else:
            _socks(link, host, port, login)

    def _read_login(self) -> str | None:
        if self.login is None:
            return None
        try:
            login = self.login.read_text().strip()
        except UnicodeDecodeError:
            login = ""
        if ":" not in login:
            raise ProxyError(f"{self.login} must hold one line, user:password")
        return login


def _connect(link: socket.socket, target: str, login: str | None) -> None:
    asked = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if login is not None:
        asked += f"Proxy-Authorization: Basic {b64encode(login.encode()).decode()}\r\n"
    link.sendall(f"{asked}\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):  # by single bytes, since what follows is the broker's
        answer += _take(link, 1)
        if len(answer) > MAX_ANSWER:
            raise ProxyError("its answer to CONNECT has no end; is it an HTTP proxy?")
    status = answer.split(b"\r\n", 1)[0].decode("latin-1")
    words = status.split(" ", 2)
    if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].startswith("2"):
        raise ProxyError(f"it answered {status[:80]!r} to CONNECT {target}")


def _socks(link: socket.socket, host: str, port: int, login: str | None) -> None:
    methods = [_NO_LOGIN] if login is None else [_NO_LOGIN, _LOGIN]
    link.sendall(bytes([5, len(methods), *methods]))
    version, method = _take(link, 2)
    if version != 5 or method not in methods:
        raise ProxyError("it is no SOCKS5 proxy" if version != 5 else "it wants a login, or not this one")
    if method == _LOGIN and login is not None:
        _log_in(link, login)
    name = host.encode("idna")
    link.sendall(bytes([5, 1, 0, 3, len(name)]) + name + port.to_bytes(2, "big"))
    _, code, _, kind = _take(link, 4)
    if code:
        reason = _REASONS[code] if code < len(_REASONS) else f"code {code}"
        raise ProxyError(f"it does not reach {_host_port(host, port)}: {reason}")
    _take(link, (_ADDRESS[kind] if kind in _ADDRESS else _take(link, 1)[0]) + 2)


def _log_in(link: socket.socket, login: str) -> None:
    user, _, password = login.partition(":")
    parts = [part.encode()[:255] for part in (user, password)]
    link.sendall(b"\1" + b"".join(bytes([len(part)]) + part for part in parts))
    if _take(link, 2)[1]:
        raise ProxyError("it refuses the login")


def _take(link: socket.socket, size: int) -> bytes:
    taken = b""
    while len(taken) < size:
        piece = link.recv(size - len(taken))
        if not piece:
            raise ProxyError("it closed the connection")
        taken += piece
    return taken


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
