"""The numbers of a store's present day, and its last records.

A store's day is that of its own time zone. A till's record belongs to the business day it names, and where it names
none to the local day of its time. What is marked as a repeat of another record is never counted. No record means that
nothing is known: the number is None, not zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import psycopg
from psycopg import sql

from hq.warehouse.columns import TABLES, Table

RECENT = timedelta(hours=24)  # last records are looked for no further back
Connection = psycopg.Connection[Any]


class Day(NamedTuple):
    """A store's present day: from `since`, before `until`."""

    store: str
    day: date
    since: datetime
    until: datetime


@dataclass
class Today:
    """What one store did today.

    sales: totals of sales and returns by currency (None: the till named none); tickets: sales; without_total: those of
    them whose total is unknown; footfall: people counted inwards; quarantined: readings set aside
    """

    sales: dict[str | None, Decimal] = field(default_factory=dict)
    tickets: int | None = None
    without_total: int = 0
    footfall: int | None = None
    quarantined: int | None = None


@dataclass(frozen=True)
class Last:
    """One of the last records. at: its time, clamped to what is possible; data: None where it is unreadable."""

    store: str
    kind: str
    device: str
    at: datetime
    data: msgspec.Struct | None


def day_of(store: str, zone: ZoneInfo, now: datetime) -> Day:
    """The store's local day at `now`, also one of 23 or 25 hours."""
    day = now.astimezone(zone).date()
    since = datetime.combine(day, time(0), zone).astimezone(UTC)
    until = datetime.combine(day + timedelta(days=1), time(0), zone).astimezone(UTC)
    return Day(store, day, since, until)


def today(connection: Connection, days: Sequence[Day]) -> dict[str, Today]:
    """The numbers of each of those days, by store."""
    found: dict[str, Today] = defaultdict(Today)
    if not days:
        return found
    bounds = _bounds(days)
    for store, currency, total, tickets, without in connection.execute(_SALES, bounds):
        here = found[store]
        here.tickets = (here.tickets or 0) + tickets
        here.without_total += without
        if total is not None:
            here.sales[currency] = total
    for store, people in connection.execute(_FOOTFALL, bounds):
        found[store].footfall = int(people)
    for store, number in connection.execute(_QUARANTINED, bounds):
        found[store].quarantined = number
    return found


def _bounds(days: Sequence[Day]) -> dict[str, Any]:
    """The days as arrays, and a span around them all, so that only its partitions are read."""
    slack = timedelta(days=1)  # a business day may end after midnight, and a record's time may be a correction's
    return {
        "stores": [day.store for day in days],
        "days": [day.day for day in days],
        "since": [day.since for day in days],
        "until": [day.until for day in days],
        "first": min(day.since for day in days) - slack,
        "last": max(day.until for day in days) + slack,
    }


_DAYS = sql.SQL("""
    unnest(%(stores)s::text[], %(days)s::date[], %(since)s::timestamptz[], %(until)s::timestamptz[])
    AS d(store, day, since, until)
""")
_TILL = sql.SQL("""
    SELECT store, currency, total, effective, business_day, 1 AS ticket FROM pos_sale
    WHERE duplicate_of IS NULL AND effective >= %(first)s AND effective < %(last)s
    UNION ALL
    SELECT store, currency, total, effective, business_day, 0 FROM pos_return
    WHERE duplicate_of IS NULL AND effective >= %(first)s AND effective < %(last)s
""")
_SALES = sql.SQL("""
    SELECT t.store, t.currency, sum(t.total), sum(t.ticket)::bigint, count(*) FILTER (WHERE t.total IS NULL)
    FROM {days} JOIN ({till}) AS t ON t.store = d.store
    WHERE coalesce(t.business_day = d.day, t.effective >= d.since AND t.effective < d.until)
    GROUP BY t.store, t.currency
""").format(days=_DAYS, till=_TILL)
_FOOTFALL = sql.SQL("""
    SELECT c.store, sum(c."in")
    FROM {days} JOIN door_count AS c ON c.store = d.store
    WHERE c.effective >= d.since AND c.effective < d.until AND c.effective >= %(first)s AND c.effective < %(last)s
      AND c.duplicate_of IS NULL
    GROUP BY c.store
""").format(days=_DAYS)
_QUARANTINED = sql.SQL("""
    SELECT q.store, count(*)
    FROM {days} JOIN quarantine AS q ON q.store = d.store
    WHERE q.effective >= d.since AND q.effective < d.until AND q.effective >= %(first)s AND q.effective < %(last)s
    GROUP BY q.store
""").format(days=_DAYS)


def last_records(connection: Connection, stores: Iterable[str], now: datetime, limit: int) -> list[Last]:
    """The newest records of those stores, newest first, repeats left out."""
    query = sql.SQL(" UNION ALL ").join(_newest(table) for table in TABLES.values())
    query = sql.SQL("SELECT * FROM ({}) AS newest ORDER BY effective DESC LIMIT %(limit)s").format(query)
    values = {"stores": list(stores), "since": now - RECENT, "until": now + RECENT, "limit": limit}
    return [_last(*row) for row in connection.execute(query, values)]


def _newest(table: Table) -> sql.Composable:
    """The newest rows of one table, each store's by the index; only they become JSON text, which is exact."""
    names = [found.encode_name for found in msgspec.structs.fields(table.kind.struct)]
    pairs = [
        part
        for name, column in zip(names, table.columns, strict=True)
        for part in (sql.Literal(name), sql.Identifier("r", column.name))
    ]
    return sql.SQL(
        "(SELECT r.store, {kind} AS kind, r.device, r.effective,"
        " jsonb_strip_nulls(jsonb_build_object({pairs}))::text AS data"
        " FROM (SELECT r.* FROM unnest(%(stores)s::text[]) AS s(store) CROSS JOIN LATERAL"
        " (SELECT r.* FROM {table} AS r WHERE r.store = s.store AND r.effective >= %(since)s"
        " AND r.effective < %(until)s AND r.duplicate_of IS NULL ORDER BY r.effective DESC LIMIT %(limit)s) AS r"
        " ORDER BY r.effective DESC LIMIT %(limit)s) AS r)"
    ).format(kind=sql.Literal(table.kind.name), pairs=sql.SQL(", ").join(pairs), table=sql.Identifier(table.name))


def _last(store: str, kind: str, device: str, at: datetime, data: str) -> Last:
    try:
        decoded = msgspec.json.decode(data, type=TABLES[kind].kind.struct)
    except msgspec.ValidationError:
        decoded = None
    return Last(store, kind, device, at, decoded)
