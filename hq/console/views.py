"""What each page shows, read in one transaction and still without words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from hq import fleet, today
from hq.fleet import LaneCount, Notice, State, Store
from hq.today import Last, Today

BOARD_RECORDS = 12
STORE_RECORDS = 30
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Row:
    """One store on the board."""

    store: Store
    state: State
    today: Today


@dataclass(frozen=True)
class Board:
    """The fleet. rows: what the chosen state leaves, in the order of trouble; counts: of all stores."""

    now: datetime
    rows: list[Row]
    counts: Counter[State]
    chosen: State | None
    lost_longest: Store | None
    last: list[Last]
    stores: dict[str, Store]

    @property
    def all(self) -> int:
        return self.counts.total()


@dataclass(frozen=True)
class StorePage:
    """One store."""

    now: datetime
    row: Row
    lanes: list[LaneCount]
    notices: list[Notice]
    last: list[Last]

    @property
    def accepted(self) -> int:
        return sum(lane.accepted for lane in self.lanes)

    @property
    def waiting(self) -> int:
        return sum(lane.waiting for lane in self.lanes)

    @property
    def missing(self) -> int:
        return sum(lane.missing for lane in self.lanes)


def board(connection: Connection, now: datetime, chosen: State | None) -> Board:
    """The fleet board, of every state or one."""
    stores = fleet.stores(connection)
    rows = _rows(connection, stores, now)
    order = list(State)
    shown = [row for row in rows if chosen in (None, row.state)]
    lost = [row.store for row in rows if row.state is State.LOST]
    return Board(
        now=now,
        rows=sorted(shown, key=lambda row: (order.index(row.state), row.store.store)),
        counts=Counter(row.state for row in rows),
        chosen=chosen,
        lost_longest=min(lost, key=lambda store: store.heard_at or now, default=None),
        last=today.last_records(connection, [row.store.store for row in shown], now, BOARD_RECORDS),
        stores={store.store: store for store in stores},
    )


def store_page(connection: Connection, now: datetime, name: str) -> StorePage | None:
    """The page of one store, None where there is no such store."""
    stores = fleet.stores(connection, only=name)
    if not stores:
        return None
    (row,) = _rows(connection, stores, now)
    lanes = fleet.lane_counts(connection, row.store)
    notices = fleet.notices(connection, name)
    return StorePage(now, row, lanes, notices, today.last_records(connection, [name], now, STORE_RECORDS))


def _rows(connection: Connection, stores: list[Store], now: datetime) -> list[Row]:
    days = [today.day_of(store.store, store.zone, now) for store in stores]
    numbers = today.today(connection, days)
    for store, day in zip(stores, days, strict=True):
        here = numbers[store.store]
        if here.quarantined is None and store.heard_at and store.heard_at >= day.since:
            here.quarantined = 0  # it was heard today and has told of none
    return [Row(store, store.state(now), numbers[store.store]) for store in stores]
