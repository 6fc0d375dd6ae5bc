"""The page's HTTP side: its three files, what there is to know of each camera, and what may be asked of one.

GET  /  /page.css  /page.js       GET  /cameras                      all of them, as JSON
GET  /cameras/ID/picture          POST /cameras/ID/audit  an Order   POST /cameras/ID/still
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from http import HTTPStatus
from importlib.resources import files
from typing import NamedTuple

import msgspec

from config.store import Page as Settings
from devices.driver import Request
from edge_agent.clock import Clock
from edge_agent.doorkeeper import Refusal
from edge_agent.page.access import Access
from edge_agent.page.mount import Mount, Order, Refused
from edge_agent.recorder.desk import BufferFull
from edge_agent.web import Handler, Limits, Server, Take

COMMIT_S = 20.0
LIMITS = Limits(body=4096, connections=32, of_one=16, bodies=64 * 1024)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_FILES = {"/": ("page.html", "html"), "/page.css": ("page.css", "css"), "/page.js": ("page.js", "javascript")}


class Said(NamedTuple):
    """An answer."""

    body: bytes
    content_type: str


class Page(Server):
    """Bound at construction. mounts: the cameras, by id"""

    def __init__(self, settings: Settings, mounts: Mapping[str, Mount], clock: Clock) -> None:
        super().__init__((settings.address, settings.port), _Visit, LIMITS, "page", HEADERS)
        self.access = Access(settings.password_file)
        self.mounts = mounts
        self.clock = clock

    def answer(self, request: Request, who: str) -> Said | None:
        """None where there is nothing; `Refused`, `BufferFull`, `NotYet`, `msgspec.MsgspecError`."""
        get, path = request.method == "GET", request.path
        if get and path in _FILES:
            name, kind = _FILES[path]
            return Said((files(__package__) / name).read_bytes(), f"text/{kind}; charset=utf-8")
        if get and path == "/cameras":
            return self._all()
        _, _, rest = path.partition("/cameras/")
        id_, _, what = rest.partition("/")
        if (mount := self.mounts.get(id_)) is None:
            return None
        if get:
            return Said(mount.look(who).jpeg, "image/jpeg") if what == "picture" else None
        posts: dict[str, Callable[[], Future[None] | None]] = {
            "audit": lambda: mount.do(msgspec.json.decode(request.body, type=Order)),
            "still": lambda: mount.still(who),
        }
        if request.method != "POST" or what not in posts:
            return None
        with mount.lock:
            done = posts[what]()
        if done:
            done.result(COMMIT_S)
        return self._all()

    def _all(self) -> Said:
        told = []
        for mount in self.mounts.values():
            with mount.lock:
                told.append(mount.told())
        return Said(msgspec.json.encode(told), "application/json")


class _Visit(Handler):
    server: Page

    def judge(self, head: Request) -> Refusal | Take:
        refused = self.server.access.refusal(head, self.host, self.server.clock.now().mono)
        return refused or (lambda body: self._take(head._replace(body=body)))

    def _take(self, request: Request) -> None:
        try:
            said = self.server.answer(request, f"page {self.host}")
        except Refused as why:
            return self.say(HTTPStatus.CONFLICT, str(why))
        except msgspec.MsgspecError as fault:
            return self.say(HTTPStatus.BAD_REQUEST, str(fault))
        except BufferFull:
            return self.say(HTTPStatus.SERVICE_UNAVAILABLE, "no room on disk now; try again")
        except NotYet:
            return self.say(HTTPStatus.SERVICE_UNAVAILABLE, "not on disk yet; it is stored as soon as it can be")
        if said is None:
            return self.say(HTTPStatus.NOT_FOUND, "there is nothing here; begin at /")
        return self.answer(HTTPStatus.OK, *said)
