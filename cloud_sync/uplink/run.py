"""The uplink's loop: events in, decisions from the core, effects out, on one thread."""

from __future__ import annotations

import logging
from collections import deque
from threading import Event as Flag

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.figures import Figures
from cloud_sync.uplink.inbox import Inbox
from cloud_sync.uplink.messages import (
    Connect,
    Effect,
    Event,
    Fetch,
    FetchHeaders,
    Headers,
    Ordered,
    Publish,
    Receipted,
    Refused,
    Remember,
    RememberLowest,
    RememberRoot,
    ResendWanted,
    ResetSession,
    Restart,
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
        self._look_at = 0.0
        self.beats = 0

    def run(self, stop: Flag) -> None:
        """An error of the disk passes through."""
        try:
            while not stop.is_set():
                self._look()
                now = self._clock.monotonic()
                event = self._inbox.take(min(self._core.due(now) - now, LONGEST_WAIT_S))
                before = self._core.figures
                self.pump(event)
                _log_change(before, self._core.figures)
                self.beats += 1
        finally:
            self._link.close()

    def _look(self) -> None:
        """Once a second: the time of day, and what the connection has carried."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LONGEST_WAIT_S
        self.pump(self._clock.time_of_day())
        if carried := self._link.carried():
            self.pump(carried)

    def pump(self, event: Event) -> None:
        """One event with all that follows from it at once."""
        events = deque([event])
        while events:
            for effect in self._core.step(events.popleft(), self._clock.monotonic()):
                if answer := self._do(effect):
                    events.append(answer)

    def _do(self, effect: Effect) -> Event | None:
        match effect:
            case Fetch():
                return self._outbox.fetch(effect)
            case FetchHeaders(epochs):
                return Headers(tuple(self._outbox.headers(list(epochs))))
            case Connect() | ResetSession() | Publish():
                self._drive(effect)
            case RememberLowest() | RememberRoot() | Remember():
                self._keep(effect)
            case _:
                self._tell(effect)
        return None

    def _drive(self, effect: Connect | ResetSession | Publish) -> None:
        match effect:
            case Connect(session, way):
                self._link.connect(session, way)
            case Publish(what, payload):
                self._link.publish(what, payload)
            case ResetSession():
                self._link.close()

    def _keep(self, effect: RememberLowest | RememberRoot | Remember) -> None:
        match effect:
            case RememberLowest(serial):
                self._agent.remember_lowest(serial)
            case RememberRoot(key):
                log.warning("event=root-followed")
                self._agent.remember_root(key)
            case Remember(name, value):
                self._agent.remember(name, value)

    def _tell(self, effect: Receipted | Refused | Ordered | ResendWanted | Restart) -> None:
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
            case Restart(why):
                log.error("event=link-gone why=%r", why)
                self._agent.restart(why)


def _log_change(before: Figures, after: Figures) -> None:
    """Once when the link is lost, once when it is back, once for every new reason, once for each fault and its end."""
    if after.up_since is None and (before.up_since is not None or after.why != before.why):
        log.warning("event=link-down why=%r", after.why)
    elif after.up_since is not None and before.up_since is None:
        log.info("event=link-up link=%s", after.link)
    if after.fault != before.fault:
        if after.fault:
            log.warning("event=link-fault fault=%s in_flight=%d", after.fault, after.in_flight)
        else:
            log.info("event=link-fault-over fault=%s", before.fault)
