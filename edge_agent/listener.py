"""Where devices that push over HTTP reach the agent: /push/<device id>. The answer follows the commit."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import TimeoutError as NotYet
from http import HTTPStatus
from typing import NamedTuple

from devices.driver import Receiver, Request
from devices.options import PushOptions
from edge_agent.doorkeeper import Refusal, refusal
from edge_agent.intake import Intake
from edge_agent.recorder.desk import BufferFull
from edge_agent.station import Station
from edge_agent.web import Handler, Limits, Server, Take

COMMIT_S = 20.0
PREFIX = "/push/"
log = logging.getLogger(__name__)


class Pushing(NamedTuple):
    """A device that pushes. lock: its receiver is used by one request at a time."""

    receiver: Receiver
    options: PushOptions
    station: Station
    lock: threading.Lock


class Listener(Server):
    """The devices that push, by id."""

    def __init__(
        self, address: tuple[str, int], pushing: Mapping[str, Pushing], intake: Intake, limits: Limits
    ) -> None:
        super().__init__(address, _Push, limits, "push", {})
        self.pushing = pushing
        self.intake = intake

    def addressed(self, path: str, query: Mapping[str, str]) -> tuple[str, str]:
        """Whose push it is, by its id, and the word behind that; an id that nobody has where it is nobody's."""
        if path.startswith(PREFIX):
            id_, _, word = path.removeprefix(PREFIX).partition("/")
            return id_, word
        return next((id_ for id_, device in self.pushing.items() if device.options.takes(path, query)), ""), ""


class _Push(Handler):
    server: Listener

    def judge(self, head: Request) -> Refusal | Take:
        id_, word = self.server.addressed(head.path, head.query)
        device = self.server.pushing.get(id_)
        if device is None:
            return Refusal(HTTPStatus.NOT_FOUND, "no device pushes here; post to /push/<device id>")
        if refused := refusal(device.options, self.host, word, head.headers):
            log.info("event=push-refused device=%s from=%s status=%d", id_, self.host, refused.status)
            return refused
        path = head.path.removesuffix(f"/{word}") if device.options.token_file else head.path
        return lambda body: self._take(device, head._replace(path=path, body=body))

    def _take(self, device: Pushing, request: Request) -> None:
        intake = self.server.intake
        with device.lock:
            answer = device.receiver.receive(request, intake.clock.now().wall)
            done = intake.take(device.station, answer.items, waits=True) if answer.items else None
        try:
            if done is not None:
                done.result(COMMIT_S)
        except (NotYet, BufferFull):
            return self.say(HTTPStatus.SERVICE_UNAVAILABLE, "not on disk yet; send it again")
        return self.answer(answer.status, answer.body, answer.content_type)
