"""The uplink's decisions: events and the time in, effects out. Opens no socket, reads no clock, touches no disk.

- The disk is the truth. A parcel leaves it by HQ's receipt or refusal alone; an acknowledgement of the broker means
  nothing. What was in flight when a link broke is forgotten here and fetched again.
- In flight without receipt are at most `Settings.parcels` and `Settings.bytes` (`window`); headers go before batches.
- HQ's word counts only when proven (`hearing`); it settles, hastens and slows, and no lack of it loses anything.
- While HQ says nothing, sending again shrinks to one parcel now and then, and the session is begun anew at growing
  intervals. Only where no broker answers for hours the process is begun anew.
- What was cut in this session goes beside the backlog that it found, each with a share of the window (`window`). HQ's
  pace holds up the backlog and nothing else; the store's plan and a metered link's cap hold up lanes (`lanes`).
"""

from __future__ import annotations

from enum import Enum
from math import inf
from random import Random

from cloud_sync.uplink.diagnosis import Diagnosis
from cloud_sync.uplink.figures import Figures
from cloud_sync.uplink.hearing import Hearing, Pin
from cloud_sync.uplink.lanes import Lanes
from cloud_sync.uplink.messages import (
    Carried,
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
    Remember,
    RememberLowest,
    RememberRoot,
    Reply,
    ResendWanted,
    ResetSession,
    Restart,
    Say,
    Tick,
    TimeOfDay,
)
from cloud_sync.uplink.pace import PaceLimit
from cloud_sync.uplink.reconnect import Reconnect
from cloud_sync.uplink.settings import Settings
from cloud_sync.uplink.size_limit import SizeLimit
from cloud_sync.uplink.waiting import Waiting
from cloud_sync.uplink.window import Window
from cloud_sync.wire.downlink import Envelope, Hold, Order, Pace, Receipt, Refusal, Resend, Succession
from cloud_sync.wire.topics import Up

MAX_HEADERS = 64  # asked for at once, and waiting to go
SPREAD = "spread_s"  # HQ's span of first connections, as it is remembered


class _Link(Enum):
    APART = 1
    CONNECTING = 2
    UP = 3


class Uplink:
    """The state machine of one box's link; serves one `run`. Every `now` is monotonic seconds."""

    def __init__(self, pin: Pin, settings: Settings, random: Random) -> None:
        self._settings = settings
        self._hearing = Hearing(pin)
        self._window = Window(settings, random)
        self._reconnect = Reconnect(settings.ways, settings.facts.get(SPREAD, settings.spread_s), random)
        self._pace = PaceLimit()
        self._lanes = Lanes(settings.plan, settings.facts)
        self._sizes = SizeLimit(settings.larger_s, random)
        self._bounds = self._sizes.most, self._lanes.shut
        self._way = 0
        self._carried = self._before = (0, 0)
        self._diagnosis = Diagnosis(settings.notice_s)
        self._newest: int | None = None
        self._up_at: float | None = None
        self._restart_s = random.uniform(1.0, 1.5) * settings.restart_s
        self._random = random
        self._link = _Link.APART
        self._session, self._since = 0, 0.0
        self._connect_at: float | None = None
        self._why = ""
        self._waiting = Waiting()
        self._asking = False
        self._news = False
        self._asked: dict[bool, int] = {}
        self._ask_at = {True: 0.0, False: 0.0}  # fresh batches, backlog
        self._quiet_since = 0.0
        self._silence_s = settings.silence_s
        self._patience = settings.silence_s * random.uniform(1.0, 1.5)
        self._last_receipt_us: int | None = None
        self._skew_ms: int | None = None
        self._receipt_at: float | None = None

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
            self._name,
            self._before[0] + self._carried[0],
            self._before[1] + self._carried[1],
            self._lanes.carried(self._name),
            self._diagnosis.fault,
            self._receipt_at,
            self._sizes.limit,
        )

    def step(self, event: Event, now: float) -> list[Effect]:
        """What `event` and the time passed make necessary, in this order."""
        if self._connect_at is None or self._up_at is None:
            self._connect_at, self._up_at = now + self._reconnect.first(), now
        return self._on(event, now) + self._advance(now)

    def due(self, now: float) -> float:
        """When the next `Tick` is needed, monotonic seconds; an earlier one does no harm."""
        match self._link:
            case _Link.APART:
                return min(self._connect_at or 0.0, self._restart_due())
            case _Link.CONNECTING:
                return min(self._since + self._settings.connect_s, self._restart_due())
            case _Link.UP:
                dues = self._resend_due(now), self._send_due(), self._fetch_due(), self._reset_due(), self._return_due()
                noticed = self._diagnosis.due(self._window.oldest(), self._quiet_since)
                return min(*dues, noticed, self._sizes.again_at)

    def _on(self, event: Event, now: float) -> list[Effect]:
        match event:
            case LinkUp(session) if session == self._session and self._link is _Link.CONNECTING:
                self._link = _Link.UP
                self._since, self._quiet_since, self._up_at = now, now, now
                self._ask_by(now)
            case LinkDown(session, why) if session == self._session and self._link is not _Link.APART:
                lived_s = now - self._since if self._link is _Link.UP else 0.0
                self._sizes.broke(self._window.sizes(), now)
                self._part(why, now + self._reconnect.after(lived_s))
            case Downlink(raw, wall_us):
                return self._hear(raw, wall_us, now)
            case NewParcels():
                self._news = True
                self._ask_by(now)
            case Carried(session, sent, received) if session == self._session:
                return self._count(sent, received)
            case TimeOfDay():
                return [*self._lanes.tell_time(event)]
            case Fetched(parcels, newest):
                self._newest = newest if self._newest is None and self._link is _Link.UP else self._newest
                self._take(parcels, now)
            case Headers(parcels):
                self._take_headers(parcels, now)
            case Say(payload) if self._link is _Link.UP:
                return [Publish(Up.HEARTBEAT, payload)]
            case Reply(payload) if self._link is _Link.UP:
                return [Publish(Up.ANSWER, payload)]
            case LinkUp() | LinkDown() | Say() | Reply() | Carried() | Tick():
                pass
        return []

    def _advance(self, now: float) -> list[Effect]:
        self._diagnosis.look(self._window.oldest(), self._quiet_since, self._sizes.fault, now)
        if now >= self._restart_due():
            return self._begin_anew(now)
        match self._link:
            case _Link.APART:
                return self._connect(now)
            case _Link.CONNECTING if now >= self.due(now):
                return self._reset("the broker did not answer in time", now + self._reconnect.after(0.0))
            case _Link.UP if now >= self._reset_due():
                return self._give_up(now)
            case _Link.UP if now >= self._return_due():
                self._reconnect.begin_again()
                return self._reset("to try the first link again", now)
            case _Link.UP:
                self._look_at_bounds(now)
                return self._send_again(now) + self._send(now) + self._fetch(now)
            case _Link.CONNECTING:
                return []

    # The session

    def _connect(self, now: float) -> list[Effect]:
        if self._connect_at is None or now < self._connect_at:
            return []
        self._link, self._since = _Link.CONNECTING, now
        self._session += 1
        self._way = self._reconnect.way
        self._before = self._before[0] + self._carried[0], self._before[1] + self._carried[1]
        self._carried = 0, 0
        self._lanes.use(self._name)
        return [Connect(self._session, self._way)]

    def _give_up(self, now: float) -> list[Effect]:
        why = f"no word from headquarters for {now - self._quiet_since:.0f} s"
        self._silence_s = min(self._silence_s * 2, self._settings.silence_cap_s)
        self._patience = self._silence_s * self._random.uniform(1.0, 1.5)
        return self._reset(why, now + self._reconnect.after_silence())

    def _reset(self, why: str, connect_at: float) -> list[Effect]:
        self._part(why, connect_at)
        return [ResetSession(why)]

    def _part(self, why: str, connect_at: float) -> None:
        self._link, self._why, self._connect_at = _Link.APART, why, connect_at
        self._newest = None
        self._window.clear()
        self._waiting = Waiting()

    @property
    def _name(self) -> str:
        return self._settings.ways[self._way]

    def _begin_anew(self, now: float) -> list[Effect]:
        self._up_at = now
        return [Restart(f"no broker has answered for {self._settings.restart_s:.0f} s; the last: {self._why}")]

    def _restart_due(self) -> float:
        return inf if self._link is _Link.UP or self._up_at is None else self._up_at + self._restart_s

    def _return_due(self) -> float:
        return inf if self._name == self._settings.ways[0] else self._since + self._settings.return_s

    def _reset_due(self) -> float:
        return self._quiet_since + self._patience if len(self._window) else inf

    # Sending

    def _send_again(self, now: float) -> list[Effect]:
        again = self._window.due(now, hushed=self._hushed(now))
        for parcel in again:
            self._spend(parcel, now)
        return [Publish(parcel.what, parcel.payload) for parcel in again]

    def _send(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        while parcel := self._waiting.next(lambda each: self._fits(each) and self._free_at(each) <= now):
            effects.append(self._send_first(parcel, now))
        if self._waiting.drop(lambda each: self._lanes.free_at(each) > now):  # the disk gives them again
            self._ask_by(self._lanes.next_free(now))
        return effects

    def _send_first(self, parcel: Parcel, now: float) -> Effect:
        if not len(self._window):
            self._quiet_since = now
        self._window.add(parcel, now)
        self._spend(parcel, now)
        return Publish(parcel.what, parcel.payload)

    def _spend(self, parcel: Parcel, now: float) -> None:
        self._lanes.spend(parcel, now)
        self._pace.spend(len(parcel.payload), now)

    def _fits(self, parcel: Parcel) -> bool:
        may = parcel.what is Up.EPOCH or self._sizes.may(len(parcel.payload), self._window.sizes())
        return may and self._window.fits(parcel)

    def _free_at(self, parcel: Parcel) -> float:
        """HQ's pace is for the backlog."""
        paced = parcel.what is Up.BATCH and not parcel.fresh
        return max(self._lanes.free_at(parcel), self._pace.free_at if paced else 0.0)

    def _resend_due(self, now: float) -> float:
        if self._hushed(now):
            return self._window.next_due(hushed=True)
        hush_at = self._quiet_since + self._settings.hush_s
        lively = self._window.next_due(hushed=False)
        return lively if lively < hush_at else max(hush_at, self._window.next_due(hushed=True))

    def _send_due(self) -> float:
        return min((self._free_at(each) for each in self._waiting.first() if self._fits(each)), default=inf)

    def _hushed(self, now: float) -> bool:
        return now >= self._quiet_since + self._settings.hush_s

    # Fetching

    def _fetch(self, now: float) -> list[Effect]:
        if now < self._fetch_due():
            return []
        self._asking, self._news = True, False
        self._asked = {fresh: self._room(fresh=fresh) if at <= now else 0 for fresh, at in self._ask_at.items()}
        skip = frozenset(self._window.digests(now) | {parcel.digest for parcel in self._waiting})
        asked = self._asked[True], self._asked[False]
        return [Fetch(skip, *asked, self._newest, self._lanes.free(now), self._sizes.most)]

    def _room(self, *, fresh: bool) -> int:
        return 0 if self._waiting.has(fresh=fresh) else self._window.room(fresh=fresh)

    def _fetch_due(self) -> float:
        dues = (at for fresh, at in self._ask_at.items() if self._room(fresh=fresh))
        return inf if self._asking else min(dues, default=inf)

    def _ask_by(self, at: float) -> None:
        self._ask_at = {fresh: min(at, before) for fresh, before in self._ask_at.items()}

    def _take(self, parcels: tuple[Parcel, ...], now: float) -> None:
        self._asking = False
        came = [parcel for parcel in parcels if parcel not in self._window and parcel not in self._waiting]
        for fresh, room in self._asked.items():
            if room and not self._news and all(parcel.fresh != fresh for parcel in came):
                self._ask_at[fresh] = min(now + self._settings.poll_s, self._lanes.next_free(now))
        for parcel in came if self._link is _Link.UP else ():
            self._waiting.add(parcel)

    def _take_headers(self, parcels: tuple[Parcel, ...], now: float) -> None:
        for parcel in parcels if self._link is _Link.UP else ():
            if parcel in self._window:
                self._window.hasten(parcel, now)
            elif parcel not in self._waiting and self._waiting.headers < MAX_HEADERS:
                self._waiting.add(parcel)

    # What may go

    def _look_at_bounds(self, now: float) -> None:
        """What may not go now is left to the disk; what may again is asked of it."""
        if (size := self._window.ignored()) is not None:
            self._sizes.refuse(size, now)
        if now >= self._sizes.again_at:
            self._sizes.try_more(now)
        before, self._bounds = self._bounds, (self._sizes.most, self._lanes.shut)
        most, shut = self._bounds
        self._window.forget(lambda batch: batch.lane in shut or len(batch.payload) > most)
        self._waiting.drop(lambda each: each.what is Up.BATCH and len(each.payload) > most)
        if most > before[0] or before[1] - shut:
            self._news = True
            self._ask_by(now)

    def _count(self, sent: int, received: int) -> list[Effect]:
        more = sent + received - sum(self._carried)
        self._carried = sent, received
        return [*self._lanes.count(more)]

    # HQ's word

    def _hear(self, raw: bytes, wall_us: int, now: float) -> list[Effect]:
        envelope = self._hearing.open(raw)
        if envelope is None:
            return []
        self._quiet_since, self._silence_s = now, self._settings.silence_s
        self._diagnosis.heard()
        self._patience = self._silence_s * self._random.uniform(1.0, 1.5)
        root = self._hearing.root
        lowest = self._hearing.learn(envelope)
        learnt: list[Effect] = [] if lowest is None else [RememberLowest(lowest)]
        if root != self._hearing.root:
            learnt.append(RememberRoot(self._hearing.root))
        return learnt + self._obey(envelope, wall_us, now)

    def _obey(self, envelope: Envelope, wall_us: int, now: float) -> list[Effect]:
        match envelope.body:
            case Receipt() as receipt:
                return self._receipt(receipt, wall_us)
            case Refusal(why=why) as refusal:
                prefixes = tuple(refusal.each())
                self._settle(prefixes)
                return [Refused(prefixes, why)] if prefixes else []
            case Hold() as hold:
                epochs = tuple(dict.fromkeys(hold.each()))[:MAX_HEADERS]
                self._window.held(epochs, now)
                return [FetchHeaders(epochs)] if epochs else []
            case Pace(bytes_per_s=bytes_per_s, spread_s=spread_s):
                self._pace.set(bytes_per_s)
                known, self._reconnect.spread_s = self._reconnect.spread_s, spread_s
                return [Remember(SPREAD, spread_s)] if spread_s != known else []
            case Resend(ranges=ranges):
                return [ResendWanted(tuple(ranges))] if ranges else []
            case Order() as order:
                return [Ordered(envelope.kind, order)]
            case Succession():
                return []

    def _receipt(self, receipt: Receipt, wall_us: int) -> list[Effect]:
        prefixes = tuple(receipt.each())
        self._last_receipt_us, self._receipt_at = wall_us, self._quiet_since  # which is now
        self._skew_ms = (wall_us - receipt.at_us) // 1000
        self._settle(prefixes)
        return [Receipted(prefixes)] if prefixes else []

    def _settle(self, prefixes: tuple[bytes, ...]) -> None:
        for size in self._window.settle(prefixes):
            self._sizes.took(size)
        self._waiting.drop(lambda parcel: parcel.prefix in prefixes)
