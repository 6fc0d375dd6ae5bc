"""The uplink's decisions: events and the time in, effects out. Opens no socket, reads no clock, touches no disk.

- The disk is the truth. A parcel leaves it by HQ's receipt or refusal alone; an acknowledgement of the broker means
  nothing. What was in flight when a link broke is forgotten here and fetched again.
- In flight without receipt are at most `Settings.parcels` and `Settings.bytes` (`window`); headers go before batches.
- HQ's word counts only when proven (`hearing`); it settles, hastens and slows, and no lack of it loses anything.
- While HQ says nothing, sending again shrinks to one parcel now and then, and the session is begun anew at growing
  intervals.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from math import inf
from random import Random
from typing import NamedTuple

from cloud_sync.uplink.hearing import Hearing, Pin
from cloud_sync.uplink.messages import (
    Connect,
    Downlink,
    Effect,
    Event,
    Fetch,
    Fetched,
    FetchHeaders,
    Headers,
    LinkDown,
    LinkUp,
    NewParcels,
    Ordered,
    Parcel,
    Publish,
    Receipted,
    Refused,
    RememberLowest,
    ResendWanted,
    ResetSession,
    Say,
    Tick,
)
from cloud_sync.uplink.pace import PaceLimit
from cloud_sync.uplink.reconnect import Reconnect
from cloud_sync.uplink.settings import Settings
from cloud_sync.uplink.window import Window
from cloud_sync.wire.downlink import Envelope, Hold, Order, Pace, Receipt, Refusal, Resend, Succession
from cloud_sync.wire.topics import Up

MAX_HEADERS = 64  # asked for at once, and waiting to go


class _Link(Enum):
    APART = 1
    CONNECTING = 2
    UP = 3


class Figures(NamedTuple):
    """The link for heartbeats and status.

    up_since: monotonic seconds, None while apart; why: what ended the last session, "" before
    last_receipt_us: the box's clock at HQ's last receipt; skew_ms: the box's clock minus HQ's then
    resends: parcels sent again, or in flight when a link broke; forged: envelopes that were not HQ's
    """

    up_since: float | None
    why: str
    in_flight: int
    last_receipt_us: int | None
    skew_ms: int | None
    resends: int
    forged: int


class Uplink:
    """The state machine of one box's link; serves one `run`. Every `now` is monotonic seconds."""

    def __init__(self, pin: Pin, settings: Settings, random: Random) -> None:
        self._settings = settings
        self._hearing = Hearing(pin)
        self._window = Window(settings, random)
        self._reconnect = Reconnect(settings.brokers, settings.spread_s, random)
        self._pace = PaceLimit()
        self._random = random
        self._link = _Link.APART
        self._session = 0
        self._since = 0.0
        self._connect_at: float | None = None
        self._why = ""
        self._waiting: deque[Parcel] = deque()
        self._headers: deque[Parcel] = deque()
        self._asking = False
        self._news = False
        self._ask_at = 0.0
        self._quiet_since = 0.0
        self._silence_s = settings.silence_s
        self._patience = self._jittered(settings.silence_s)
        self._last_receipt_us: int | None = None
        self._skew_ms: int | None = None

    @property
    def figures(self) -> Figures:
        """May be read from any thread."""
        return Figures(
            self._since if self._link is _Link.UP else None,
            self._why,
            len(self._window),
            self._last_receipt_us,
            self._skew_ms,
            self._window.resends,
            self._hearing.forged,
        )

    def step(self, event: Event, now: float) -> list[Effect]:
        """What `event` and the time passed make necessary, in this order."""
        if self._connect_at is None:
            self._connect_at = now + self._reconnect.first()
        return self._on(event, now) + self._advance(now)

    def due(self, now: float) -> float:
        """When the next `Tick` is needed, monotonic seconds; an earlier one does no harm."""
        match self._link:
            case _Link.APART:
                return self._connect_at or 0.0
            case _Link.CONNECTING:
                return self._since + self._settings.connect_s
            case _Link.UP:
                return min(self._resend_due(now), self._send_due(), self._fetch_due(), self._reset_due())

    def _on(self, event: Event, now: float) -> list[Effect]:
        match event:
            case LinkUp(session) if session == self._session and self._link is _Link.CONNECTING:
                self._link, self._since, self._quiet_since, self._ask_at = _Link.UP, now, now, now
            case LinkDown(session, why) if session == self._session and self._link is not _Link.APART:
                lived_s = now - self._since if self._link is _Link.UP else 0.0
                self._part(why, now + self._reconnect.after(lived_s))
            case Downlink(raw, wall_us):
                return self._hear(raw, wall_us, now)
            case NewParcels():
                self._news, self._ask_at = True, now
            case Fetched(parcels):
                self._take(parcels, now)
            case Headers(parcels):
                self._take_headers(parcels, now)
            case Say(payload) if self._link is _Link.UP:
                return [Publish(Up.HEARTBEAT, payload)]
            case LinkUp() | LinkDown() | Say() | Tick():
                pass
        return []

    def _advance(self, now: float) -> list[Effect]:
        match self._link:
            case _Link.APART:
                return self._connect(now)
            case _Link.CONNECTING if now >= self.due(now):
                return self._reset("the broker did not answer in time", now + self._reconnect.after(0.0))
            case _Link.UP if now >= self._reset_due():
                return self._give_up(now)
            case _Link.UP:
                return self._send_again(now) + self._send(now) + self._fetch(now)
            case _Link.CONNECTING:
                return []

    # The session

    def _connect(self, now: float) -> list[Effect]:
        if self._connect_at is None or now < self._connect_at:
            return []
        self._link, self._since = _Link.CONNECTING, now
        self._session += 1
        return [Connect(self._session, self._reconnect.broker)]

    def _give_up(self, now: float) -> list[Effect]:
        why = f"no word from headquarters for {now - self._quiet_since:.0f} s"
        self._silence_s = min(self._silence_s * 2, self._settings.silence_cap_s)
        self._patience = self._jittered(self._silence_s)
        return self._reset(why, now + self._reconnect.after_silence())

    def _reset(self, why: str, connect_at: float) -> list[Effect]:
        self._part(why, connect_at)
        return [ResetSession(why)]

    def _part(self, why: str, connect_at: float) -> None:
        self._link, self._why, self._connect_at = _Link.APART, why, connect_at
        self._window.clear()
        self._waiting.clear()
        self._headers.clear()

    def _reset_due(self) -> float:
        return self._quiet_since + self._patience if len(self._window) else inf

    def _jittered(self, seconds: float) -> float:
        return float(seconds * self._random.uniform(1.0, 1.5))

    # Sending

    def _send_again(self, now: float) -> list[Effect]:
        again = self._window.due(now, hushed=self._hushed(now))
        for parcel in again:
            self._pace.spend(len(parcel.payload), now)
        return [Publish(parcel.what, parcel.payload) for parcel in again]

    def _send(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        while self._headers and self._window.fits(self._headers[0]):
            effects.append(self._send_first(self._headers.popleft(), now))
        while self._waiting and self._window.fits(self._waiting[0]) and self._pace.allows(now):
            effects.append(self._send_first(self._waiting.popleft(), now))
        return effects

    def _send_first(self, parcel: Parcel, now: float) -> Effect:
        if not len(self._window):
            self._quiet_since = now
        self._window.add(parcel, now)
        self._pace.spend(len(parcel.payload), now)
        return Publish(parcel.what, parcel.payload)

    def _resend_due(self, now: float) -> float:
        if self._hushed(now):
            return self._window.next_due(hushed=True)
        hush_at = self._quiet_since + self._settings.hush_s
        lively = self._window.next_due(hushed=False)
        return lively if lively < hush_at else max(hush_at, self._window.next_due(hushed=True))

    def _send_due(self) -> float:
        return self._pace.free_at if self._waiting and self._window.fits(self._waiting[0]) else inf

    def _hushed(self, now: float) -> bool:
        return now >= self._quiet_since + self._settings.hush_s

    # Fetching

    def _fetch(self, now: float) -> list[Effect]:
        if now < self._fetch_due():
            return []
        self._asking, self._news = True, False
        waiting = {parcel.digest for parcel in self._headers}
        return [Fetch(frozenset(self._window.digests() | waiting), self._window.room())]

    def _fetch_due(self) -> float:
        return inf if self._asking or self._waiting or not self._window.room() else self._ask_at

    def _take(self, parcels: tuple[Parcel, ...], now: float) -> None:
        self._asking = False
        fresh = [parcel for parcel in parcels if parcel not in self._window and parcel not in self._headers]
        if not fresh and not self._news:
            self._ask_at = now + self._settings.poll_s
        for parcel in fresh if self._link is _Link.UP else ():
            (self._headers if parcel.what is Up.EPOCH else self._waiting).append(parcel)

    def _take_headers(self, parcels: tuple[Parcel, ...], now: float) -> None:
        for parcel in parcels if self._link is _Link.UP else ():
            if parcel in self._window:
                self._window.hasten(parcel, now)
            elif parcel not in self._headers and len(self._headers) < MAX_HEADERS:
                self._headers.append(parcel)

    # HQ's word

    def _hear(self, raw: bytes, wall_us: int, now: float) -> list[Effect]:
        envelope = self._hearing.open(raw)
        if envelope is None:
            return []
        self._quiet_since, self._silence_s = now, self._settings.silence_s
        self._patience = self._jittered(self._silence_s)
        lowest = self._hearing.learn(envelope)
        learnt: list[Effect] = [] if lowest is None else [RememberLowest(lowest)]
        return learnt + self._obey(envelope, wall_us)

    def _obey(self, envelope: Envelope, wall_us: int) -> list[Effect]:
        match envelope.body:
            case Receipt() as receipt:
                return self._receipt(receipt, wall_us)
            case Refusal(why=why) as refusal:
                prefixes = tuple(refusal.each())
                self._settle(prefixes)
                return [Refused(prefixes, why)] if prefixes else []
            case Hold() as hold:
                epochs = tuple(dict.fromkeys(hold.each()))[:MAX_HEADERS]
                return [FetchHeaders(epochs)] if epochs else []
            case Pace(bytes_per_s=bytes_per_s, spread_s=spread_s):
                self._pace.set(bytes_per_s)
                self._reconnect.spread_s = spread_s
                return []
            case Resend(ranges=ranges):
                return [ResendWanted(tuple(ranges))] if ranges else []
            case Order() as order:
                return [Ordered(envelope.kind, order)]
            case Succession():
                return []

    def _receipt(self, receipt: Receipt, wall_us: int) -> list[Effect]:
        prefixes = tuple(receipt.each())
        self._last_receipt_us = wall_us
        self._skew_ms = (wall_us - receipt.at_us) // 1000
        self._settle(prefixes)
        return [Receipted(prefixes)] if prefixes else []

    def _settle(self, prefixes: tuple[bytes, ...]) -> None:
        self._window.settle(prefixes)
        self._waiting = deque(parcel for parcel in self._waiting if parcel.prefix not in prefixes)
