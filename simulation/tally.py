"""Counts both ends: what the agent's own ledger says it accepted, and what HQ's tables hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from records import RECORD_TYPES


class Tally(NamedTuple):
    """accepted: numbers the agent gave; stored: rows at HQ; lost: numbers without a row; duplicated: rows beyond one
    a number; sales_twice: source identities of one content that are counted more than once."""

    accepted: int
    stored: int
    lost: int
    duplicated: int
    sales_twice: int
    quarantined: int
    by_type: dict[str, int]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.sales_twice)


def ledger(buffer: Path) -> tuple[bytes, str, dict[int, int]]:
    """Stream and store of a buffer that no agent has open, and the highest number given in each lane."""
    with closing(sqlite3.connect(buffer)) as db:
        stream, store = db.execute("SELECT stream, store FROM stream").fetchone()
        return stream, store, {lane: following - 1 for lane, following in db.execute("SELECT lane, next FROM lane")}


def stored_count(db: psycopg.Connection[Any]) -> int:
    """Records that HQ has stored."""
    (count,) = db.execute("SELECT coalesce(sum(upper(seqs) - lower(seqs)), 0) FROM claim").fetchone() or (0,)
    return int(count)


def tally(buffer: Path, dsn: str) -> Tally:
    """Compares the two, number by number, for the store of that buffer."""
    stream, store, accepted = ledger(buffer)
    with psycopg.connect(dsn) as db:
        by_type = {name: count for name, count in _by_type(db, store).items() if count}
        present = {lane: _numbers(db, stream, lane) for lane in accepted}
        return Tally(
            accepted=sum(accepted.values()),
            stored=sum(by_type.values()),
            lost=sum(len(set(range(1, last + 1)) - set(present[lane])) for lane, last in accepted.items()),
            duplicated=sum(len(numbers) - len(set(numbers)) for numbers in present.values()),
            sales_twice=_sales_twice(db, store),
            quarantined=by_type.get("quarantine", 0),
            by_type=by_type,
        )


def _table(name: str) -> sql.Identifier:
    return sql.Identifier(name.replace(".", "_"))


def _by_type(db: psycopg.Connection[Any], store: str) -> dict[str, int]:
    counts = {}
    for name in RECORD_TYPES:
        query = sql.SQL("SELECT count(*) FROM {} WHERE store = %s").format(_table(name))
        counts[name] = (db.execute(query, [store]).fetchone() or (0,))[0]
    return counts


def _numbers(db: psycopg.Connection[Any], stream: bytes, lane: int) -> list[int]:
    found: list[int] = []
    for kind in RECORD_TYPES.values():
        if kind.lane == lane:
            query = sql.SQL("SELECT seq FROM {} WHERE stream = %s AND lane = %s").format(_table(kind.name))
            found += [row[0] for row in db.execute(query, (stream, lane))]
    return found


def _sales_twice(db: psycopg.Connection[Any], store: str) -> int:
    """Tickets of one identity and content that are counted twice."""
    query = """
        SELECT coalesce(sum(n - 1), 0) FROM (
            SELECT count(*) AS n FROM pos_sale
            WHERE duplicate_of IS NULL AND store = %s
            GROUP BY business_day, source_id, total, lines HAVING count(*) > 1) AS twice"""
    return int((db.execute(query, [store]).fetchone() or (0,))[0])
