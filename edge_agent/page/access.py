"""Who may see the page: by the name it is asked for, by origin, by password; guessing is slow."""

from __future__ import annotations

import logging
import threading
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from devices.driver import Request
from edge_agent.doorkeeper import Refusal, login, same, secret

_FREE = 3  # wrong passwords in a row that cost nothing
_LONGEST_S = 300.0
_REMEMBERED = 1000  # who guessed
log = logging.getLogger(__name__)


class Guesses:
    """Wrong passwords in a row, by address (IPv6: by network, of which one machine has every address)."""

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[int, float]] = {}  # how many, and when it may try again

    def wait_s(self, host: str, now: float) -> float:
        """How long until it may try again; now: monotonic seconds"""
        return max(0.0, self._wrong.get(_network(host), (0, now))[1] - now)

    def wrong(self, host: str, now: float) -> None:
        key = _network(host)
        count = self._wrong.pop(key, (0, now))[0] + 1
        wait = min(2.0 ** (min(count, 20) - _FREE), _LONGEST_S) if count > _FREE else 0.0
        self._wrong[key] = count, now + wait
        if len(self._wrong) > _REMEMBERED:
            del self._wrong[next(iter(self._wrong))]

    def right(self, host: str) -> None:
        self._wrong.pop(_network(host), None)


def _network(host: str) -> str:
    return str(ip_network((host, 64), strict=False)) if ":" in host else host


class Access:
    """Judges each request by its head."""

    def __init__(self, password_file: Path) -> None:
        self._password_file = password_file
        self._guesses = Guesses()
        self._lock = threading.Lock()

    def refusal(self, head: Request, host: str, now: float) -> Refusal | None:
        """Why this request is not answered; None: it is. host: the peer's address; now: monotonic seconds"""
        asked = head.headers.get("host", "")
        if not _plain(asked):
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "ask for this page by the machine's IP address or localhost")
        origin = head.headers.get("origin")
        if (origin is None and head.method == "POST") or (origin is not None and urlsplit(origin).netloc != asked):
            return Refusal(HTTPStatus.FORBIDDEN, "this came from another page than ours")
        try:
            with self._lock:
                return self._judged(secret(self._password_file), head, host, now)
        except OSError as fault:
            log.error("event=page-secret-unreadable file=%s", fault.filename)
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the file of the page's password cannot be read here")

    def _judged(self, password: str, head: Request, host: str, now: float) -> Refusal | None:
        if "authorization" not in head.headers:
            return Refusal(HTTPStatus.UNAUTHORIZED, "log in with the page's password; any user name will do")
        if wait := self._guesses.wait_s(host, now):
            return Refusal(HTTPStatus.TOO_MANY_REQUESTS, f"wrong too often; try again in {wait:.0f} s")
        if same(login(head.headers)[1], password):
            self._guesses.right(host)
            return None
        self._guesses.wrong(host, now)
        log.warning("event=page-refused from=%s", host)
        return Refusal(HTTPStatus.UNAUTHORIZED, "not the page's password; it stands in page.password_file")


def _plain(asked: str) -> bool:
    """Whether a Host is an address: a name could be any site's that made it point here."""
    try:
        name = urlsplit(f"//{asked}").hostname or ""
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False
