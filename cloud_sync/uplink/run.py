"""The uplink's loop: events in, decisions from the core, effects out, on one thread."""

from __future__ import annotations

import logging
from collections import deque
from threading import Event as Flag

from cloud_sync.uplink.core import Figures, Uplink
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
LONGEST_WHY = 200

log = logging.getLogger(__name__)


class Loop:
    """The uplink's thread: `run` until `stop`. A core serves one loop. beats: rises at least every second."""

    def __init__(self, core: Uplink, inbox: Inbox, link: Link, outbox: Outbox, agent: Agent, clock: Clock) -> None:
        self._core = core
        self._inbox = inbox
        self._link = link
        self._outbox = outbox
        self._agent = agent
        self._clock = clock
        self.beats = 0

    def run(self, stop: Flag) -> None:
        """An error of the disk passes through."""
        try:
            while not stop.is_set():
                now = self._clock.monotonic()
                event = self._inbox.take(min(self._core.due(now) - now, LONGEST_WAIT_S))
                before = self._core.figures
                self.pump(event)
                _log_change(before, self._core.figures)
                self.beats += 1
        finally:
            self._link.close()

    def pump(self, event: Event) -> None:
        """One event with all that follows from it at once."""
        events = deque([event])
        while events:
            for effect in self._core.step(events.popleft(), self._clock.monotonic()):
                if answer := self._do(effect):
                    events.append(answer)

    def _do(self, effect: Effect) -> Event | None:
        match effect:
            case Fetch(skip, limit):
                return Fetched(tuple(self._outbox.parcels(skip, limit)))
            case FetchHeaders(epochs):
                return Headers(tuple(self._outbox.headers(list(epochs))))
            case Connect() | ResetSession() | Publish():
                self._drive(effect)
            case _:
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

    def _tell(self, effect: Receipted | Refused | Ordered | ResendWanted | RememberLowest) -> None:
        match effect:
            case Receipted(prefixes):
                self._outbox.receipted(prefixes)
            case Refused(prefixes, why):
                log.warning("event=refused parcels=%s why=%r", len(prefixes), why[:LONGEST_WHY])
                self._outbox.refused(prefixes, why)
            case Ordered(kind, order):
                self._agent.ordered(kind, order)
            case ResendWanted(ranges):
                self._agent.resend_wanted(ranges)
            case RememberLowest(serial):
                self._agent.remember_lowest(serial)


def _log_change(before: Figures, after: Figures) -> None:
    """Once when the link is lost, once when it is back, once for every new reason."""
    if after.up_since is None and (before.up_since is not None or after.why != before.why):
        log.warning("event=link-down why=%r", after.why)
    elif after.up_since is not None and before.up_since is None:
        log.info("event=link-up")
