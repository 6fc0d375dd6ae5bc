"""The uplink's loop: events in, decisions from the core, effects out, on one thread."""

from __future__ import annotations

import logging
from collections import deque
from threading import Event as Flag

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.inbox import Inbox
from cloud_sync.uplink.messages import (
    Connect,
    Effect,
    Event,
    Fetch,
    Fetched,
    FetchHeaders,
    Headers,
    Ordered,
    Publish,
    Receipted,
    Refused,
    RememberLowest,
    ResendWanted,
    ResetSession,
)
from cloud_sync.uplink.ports import Agent, Clock, Link, Outbox

LONGEST_WAIT_S = 1.0  # so that a stop is noticed

log = logging.getLogger(__name__)


class Ports:
    """Turns effects into calls."""

    def __init__(self, link: Link, outbox: Outbox, agent: Agent) -> None:
        self._link = link
        self._outbox = outbox
        self._agent = agent

    def do(self, effect: Effect) -> Event | None:
        """Does it; the event that answers it, if one does."""
        match effect:
            case Fetch(skip, limit):
                return Fetched(tuple(self._outbox.parcels(skip, limit)))
            case FetchHeaders(epochs):
                return Headers(tuple(self._outbox.headers(list(epochs))))
            case Receipted(prefixes):
                self._outbox.receipted(prefixes)
            case Refused(prefixes, why):
                self._outbox.refused(prefixes, why)
            case Connect() | ResetSession() | Publish():
                self._drive(effect)
            case Ordered() | ResendWanted() | RememberLowest():
                self._tell(effect)
        return None

    def _drive(self, effect: Connect | ResetSession | Publish) -> None:
        match effect:
            case Connect(session, broker):
                self._link.connect(session, broker)
            case Publish(what, payload):
                self._link.publish(what, payload)
            case ResetSession():
                self._link.close()

    def _tell(self, effect: Ordered | ResendWanted | RememberLowest) -> None:
        match effect:
            case Ordered(kind, order):
                self._agent.ordered(kind, order)
            case ResendWanted(ranges):
                self._agent.resend_wanted(ranges)
            case RememberLowest(serial):
                self._agent.remember_lowest(serial)


def run(core: Uplink, inbox: Inbox, ports: Ports, link: Link, clock: Clock, stop: Flag) -> None:
    """Pumps until `stop`; an error of the disk passes through. A core serves one run."""
    try:
        while not stop.is_set():
            now = clock.monotonic()
            event = inbox.take(min(core.due(now) - now, LONGEST_WAIT_S))
            before = core.figures
            pump(core, event, ports, clock)
            _log_change(before.up_since, before.why, core)
    finally:
        link.close()


def pump(core: Uplink, event: Event, ports: Ports, clock: Clock) -> None:
    """One event with all that follows from it at once."""
    events = deque([event])
    while events:
        for effect in core.step(events.popleft(), clock.monotonic()):
            if answer := ports.do(effect):
                events.append(answer)


def _log_change(up_since: float | None, why: str, core: Uplink) -> None:
    """Once when the link is lost, once when it is back, once for every new reason."""
    figures = core.figures
    if figures.up_since is None and (up_since is not None or figures.why != why):
        log.warning("link=down why=%r", figures.why)
    elif figures.up_since is not None and up_since is None:
        log.info("link=up")
