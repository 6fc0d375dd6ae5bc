"""The stores and how each is doing, from what HQ heard last of every box.

A store is *online* while its heartbeats come, *late* when some are overdue or the broker reported its link broken,
*lost* when it has been silent for long, *never seen* before its first heartbeat. Silence is measured on HQ's clock
alone: a store with a wrong clock is not late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import psycopg
from psycopg.rows import dict_row

from cloud_sync.spans import size
from cloud_sync.wire.heartbeat import DeviceState, Heartbeat
from hq.warehouse import coverage
from hq.warehouse.explained import Kind
from records import Lane

LATE_AFTER = 2.5  # intervals of silence: one heartbeat may be lost without a word
LOST_AFTER = 10.0
NOTICES = ("fork", "two-boxes", "old-image", "re-imaged")  # `hq.warehouse.streams`
Connection = psycopg.Connection[Any]


class State(StrEnum):
    """In the order of trouble, worst first."""

    LOST = "lost"
    LATE = "late"
    NEVER = "never"
    ONLINE = "online"


@dataclass(frozen=True)
class Heard:
    """The last heartbeat of a box as HQ keeps it. connected: no last will came since; full: the last full one."""

    box: str
    received_at: datetime
    connected: bool
    body: Heartbeat
    full: Heartbeat | None

    @property
    def full_at(self) -> datetime | None:
        """When the last full heartbeat was made, on HQ's clock as far as the box's skew is known."""
        if self.full is None:
            return None
        skew = self.full.skew_ms or 0
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self.full.at_us, milliseconds=-skew)


@dataclass(frozen=True)
class Told:
    """A device as its box told. reading_at: of its last reading, on HQ's clock."""

    device: DeviceState
    reading_at: datetime | None


@dataclass(frozen=True)
class LaneCount:
    """Records of one lane over the boxes of a store, by their present streams.

    accepted: by the store at its last heartbeat; waiting: of those, without receipt; stored: at HQ by now;
    missing: accepted, not waiting and not stored
    """

    lane: Lane
    accepted: int
    waiting: int
    stored: int
    missing: int


@dataclass(frozen=True)
class Store:
    """One store. boxes: those that were heard, the newest first."""

    store: str
    name: str
    zone: ZoneInfo
    boxes: tuple[Heard, ...]

    @property
    def heard_at(self) -> datetime | None:
        """When HQ last heard anything of the store."""
        return self.boxes[0].received_at if self.boxes else None

    def state(self, now: datetime) -> State:
        if not self.boxes:
            return State.NEVER
        return state_of(self.boxes[0], now, timedelta(seconds=self.boxes[0].body.interval_s))

    @property
    def backlog(self) -> int | None:
        """Records without receipt at the last heartbeats; None when there was none."""
        return sum(lane.rows for box in self.boxes for lane in box.body.lanes) if self.boxes else None

    @property
    def devices(self) -> list[Told]:
        """What the last full heartbeat of each box said of its devices."""
        return [
            _told(device, box.full_at) for box in self.boxes if box.full and box.full_at for device in box.full.devices
        ]

    @property
    def devices_at(self) -> datetime | None:
        """When the oldest of what `devices` tells was told."""
        return min((box.full_at for box in self.boxes if box.full_at), default=None)

    def oldest_unsent(self, now: datetime) -> timedelta | None:
        """Age of the oldest record without receipt, the time since the heartbeat that told included."""
        ages = [
            now - box.received_at + timedelta(seconds=lane.oldest_s)
            for box in self.boxes
            for lane in box.body.lanes
            if lane.rows and lane.oldest_s is not None
        ]
        return max(ages, default=None)


def state_of(heard: Heard | None, now: datetime, interval: timedelta) -> State:
    """The state of whoever sends a heartbeat each `interval` and was last heard so."""
    if heard is None:
        return State.NEVER
    silence = now - heard.received_at
    if silence > LOST_AFTER * interval:
        return State.LOST
    if silence > LATE_AFTER * interval or not heard.connected:
        return State.LATE
    return State.ONLINE


def stores(connection: Connection, only: str | None = None) -> list[Store]:
    """Every store, or the one named `only`, in the order of their names. Boxes that were revoked are left out."""
    rows = connection.cursor(row_factory=dict_row).execute(
        """
        SELECT s.store, s.name, s.timezone, h.box, h.received_at, h.state, h.body, h.full_body
        FROM store s
        LEFT JOIN box b ON b.store = s.store AND b.revoked_at IS NULL
        LEFT JOIN heartbeat h ON h.store = b.store AND h.box = b.box
        WHERE %(only)s::text IS NULL OR s.store = %(only)s
        ORDER BY s.store, h.received_at DESC NULLS LAST
        """,
        {"only": only},
    )
    found: dict[str, tuple[dict[str, Any], list[Heard]]] = {}
    for row in rows:
        boxes = found.setdefault(row["store"], (row, []))[1]
        if row["box"] is not None:
            boxes.append(_heard(row))
    return [Store(name, row["name"], ZoneInfo(row["timezone"]), tuple(boxes)) for name, (row, boxes) in found.items()]


def _heard(row: dict[str, Any]) -> Heard:
    body = msgspec.convert(row["body"], Heartbeat)
    full = None if row["full_body"] is None else msgspec.convert(row["full_body"], Heartbeat)
    return Heard(
        box=row["box"],
        received_at=row["received_at"],
        connected=row["state"] == "online",
        body=body,
        full=body if body.full else full,
    )


def _told(device: DeviceState, at: datetime) -> Told:
    return Told(device, None if device.age_s is None else at - timedelta(seconds=device.age_s))


@dataclass(frozen=True)
class Notice:
    """What HQ noticed of a store's boxes and nobody has acknowledged.

    rule: fork, two-boxes, old-image, re-imaged; subject: the stream or the box
    """

    rule: str
    subject: str
    opened: datetime


def notices(connection: Connection, store: str) -> list[Notice]:
    """The newest first."""
    rows = connection.execute(
        """SELECT rule, subject, opened FROM alert_hq
           WHERE store = %s AND acknowledged IS NULL AND rule = ANY(%s) ORDER BY opened DESC LIMIT 5""",
        [store, list(NOTICES)],
    )
    return [Notice(*row) for row in rows]


def lane_counts(connection: Connection, store: Store) -> list[LaneCount]:
    """What the store says it accepted beside what HQ stored of the same streams. Empty before the first heartbeat."""
    if not store.boxes:
        return []
    stored = _stored(connection, [box.body.stream for box in store.boxes])
    return [_lane_count(lane, store.boxes, stored) for lane in Lane]


def _stored(connection: Connection, streams: Sequence[bytes]) -> dict[tuple[bytes, int], int]:
    ranges = coverage.read(connection, streams)
    return {(stream, lane): size(spans) for (_, stream, lane, kind), spans in ranges.items() if kind is Kind.STORED}


def _lane_count(lane: Lane, boxes: Iterable[Heard], stored: dict[tuple[bytes, int], int]) -> LaneCount:
    accepted = waiting = kept = missing = 0
    for box in boxes:
        if lane >= len(box.body.lanes):
            continue
        says = box.body.lanes[lane]
        here = stored.get((box.body.stream, lane), 0)
        accepted += max(says.accepted, here)  # what was accepted since the heartbeat may be here already
        waiting += max(0, min(says.rows, says.accepted - here))
        missing += max(0, says.accepted - says.rows - here)
        kept += here
    return LaneCount(lane, accepted, waiting, kept, missing)
