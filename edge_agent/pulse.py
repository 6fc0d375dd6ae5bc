"""The heartbeat: a small one on every change and every interval, the full one every fifteenth time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.uplink.figures import Figures
from cloud_sync.wire import heartbeat as wire
from cloud_sync.wire.heartbeat import Heartbeat, LaneState, LinkState, Will
from edge_agent.clock import Clock, Now
from edge_agent.recorder.epochs import microseconds
from edge_agent.recorder.status import Status
from edge_agent.station import Station
from records import Lane

FULL_EVERY = 15
_PAGE = 4096


class Self(NamedTuple):
    """What does not change while the agent runs."""

    store: str
    box: str
    boot: bytes
    key: Ed25519PrivateKey
    data_dir: Path
    config_hash: str
    interval_s: int
    started: Now


@dataclass
class Pulse:
    """Makes heartbeats. session: of the uplink, set at every connection; seq: of this session's heartbeats."""

    me: Self
    clock: Clock
    stations: Sequence[Station]
    status: Callable[[], Status]
    figures: Callable[[], Figures]
    session: int
    seq: int = 0
    _beats: int = 0
    _said: object = None

    def will(self) -> bytes:
        """A new session's last will."""
        self.session += 1
        self.seq = 0
        return wire.sign(Will(self.me.store, self.me.box, self.session), self.me.key)

    def changed(self) -> bool:
        """Whether something happened that HQ should hear of before the interval is over."""
        now = (self.session, self.figures().fault, [(station.id, station.standing[0]) for station in self.stations])
        before, self._said = self._said, now
        return now != before

    def beat(self, full: bool) -> bytes:
        """The next heartbeat, signed."""
        said = self.state(full or self._beats % FULL_EVERY == 0)
        self._beats += 1
        self.seq += 1
        return wire.sign(said, self.me.key)

    def state(self, full: bool) -> Heartbeat:
        """What the next heartbeat would say; asking changes nothing."""
        now, status, figures = self.clock.now(), self.status(), self.figures()
        said = Heartbeat(
            store=self.me.store,
            box=self.me.box,
            session=self.session,
            seq=self.seq + 1,
            at_us=microseconds(now.wall),
            version=_release(),
            stream=status.stream,
            epoch=status.epoch,
            boot=self.me.boot,
            lanes=tuple(_lane(status, lane, now) for lane in Lane),
            config_hash=self.me.config_hash,
            interval_s=self.me.interval_s,
            clock=now.quality,
            skew_ms=_skew_ms(figures, now),
            started_us=microseconds(self.me.started.wall),
            quarantined=sum(station.quarantined for station in self.stations),
            last_receipt_us=figures.last_receipt_us,
            hours_left=status.hours_left,
            link=_link(figures, now),
        )
        return self._filled(said, status) if full else said

    def _filled(self, said: Heartbeat, status: Status) -> Heartbeat:
        parts = {name: getattr(said, name) for name in said.__struct_fields__}
        parts |= {
            "full": True,
            "devices": tuple(station.seen() for station in self.stations),
            "disk_free": shutil.disk_usage(self.me.data_dir).free,
            "memory": _resident(),
            "buffer_bytes": status.bytes,
        }
        return Heartbeat(**parts)


@cache
def _release() -> str:
    return version("store-edge")


def _skew_ms(figures: Figures, now: Now) -> int | None:
    """The box's clock minus HQ's: as at the last receipt, and whatever the wall clock was set by since."""
    if figures.skew_ms is None or figures.last_receipt_us is None or figures.receipt_at is None:
        return None
    wall_us = microseconds(now.wall) - figures.last_receipt_us
    return figures.skew_ms + round(wall_us / 1000 - (now.mono - figures.receipt_at) * 1000)


def _lane(status: Status, lane: Lane, now: Now) -> LaneState:
    waiting = status.waiting[lane]
    oldest = None if waiting.oldest_us is None else max(0, (microseconds(now.wall) - waiting.oldest_us) // 1_000_000)
    return LaneState(status.accepted[lane], status.cut[lane], waiting.rows, waiting.bytes, oldest)


def _link(figures: Figures, now: Now) -> LinkState:
    up_s = 0 if figures.up_since is None else int(now.mono - figures.up_since)
    return LinkState(
        name=figures.link,
        up_s=up_s,
        sent=figures.sent,
        received=figures.received,
        month=figures.carried,
        resends=figures.resends,
        in_flight=figures.in_flight,
        fault=figures.fault,
        most=figures.most,
    )


def _resident() -> int:
    """Resident memory of this process in bytes (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
