"""What HQ does beside taking records in: looks what is missing and asks for it, repeats orders, folds what is old.

Any number of workers have a clerk; the one that holds the database's lock does the work, the others find it held.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from cloud_sync.ingest.asking import Asking
from cloud_sync.wire.downlink import Kind, Resend, Succession, at_us
from hq import orders
from hq.complete import BoxReport, report, wanted
from hq.keys import Keyring
from hq.warehouse import coverage, folding
from hq.warehouse.facts import standings

EVERY = timedelta(seconds=10)
A_BOX = timedelta(milliseconds=20)  # between two looks; one takes about half a millisecond a box
FOLD_EVERY = timedelta(minutes=10)
REACHED = timedelta(minutes=5)  # since the last heartbeat: a box that is away is not asked
ROOT_EVERY = timedelta(minutes=10)
_LOCK = 7_301_993  # any number, the same for every clerk
_OPTIONS = "-c timezone=UTC -c lock_timeout=10s -c statement_timeout=120s"
Connection = psycopg.Connection[Any]


class Note(NamedTuple):
    """An envelope for a box."""

    store: str
    box: str
    envelope: bytes


class Clerk:
    """dsn: of a migrated database; generation: of this headquarters (`hq.data.Settings`)."""

    def __init__(self, dsn: str, keyring: Keyring, generation: int) -> None:
        self._dsn = dsn
        self._keyring = keyring
        self._generation = generation
        self._asking = Asking()
        self._connection: Connection | None = None
        self._due: datetime | None = None
        self._look_due: datetime | None = None
        self._fold_due: datetime | None = None
        self._told_root: dict[tuple[str, str], tuple[tuple[bytes, int], datetime]] = {}

    def tick(self, now: datetime) -> list[Note]:
        """What to send now; nothing while another clerk is at it or it is not yet time. Raises psycopg.Error."""
        if self._due is not None and now < self._due:
            return []
        self._due = now + EVERY
        try:
            connection = self._connect()
            return self._work(connection, now) if connection else []
        except psycopg.Error:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the lock."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> Connection | None:
        """The connection that holds the lock, None where another clerk does."""
        if self._connection is None:
            fresh = psycopg.connect(self._dsn, autocommit=True, options=_OPTIONS, connect_timeout=10)
            row = fresh.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
            if not row or not row[0]:
                fresh.close()
                return None
            self._connection = fresh
        return self._connection

    def _work(self, connection: Connection, now: datetime) -> list[Note]:
        coverage.fold(connection)
        if self._fold_due is None or now >= self._fold_due:
            self._fold_due = now + FOLD_EVERY
            folding.fold(connection, now)
        looked = self._look(connection, now) if self._look_due is None or now >= self._look_due else []
        return [*looked, *self._orders(connection, now)]

    def _look(self, connection: Connection, now: datetime) -> list[Note]:
        """Over the whole fleet, the more rarely the larger it is."""
        places = standings(connection, None)
        self._look_due = now + max(EVERY, len(places) * A_BOX)
        reports = [report(place) for place in places]
        sessions = {(at.store, at.box): (at.beat.stream, at.beat.session) for at in places if at.beat}
        marks = {(box.store, box.box): box.complete_to for box in reports if box.complete_to}
        folding.prune_marks(connection, marks, now)
        orders.leave_forks(connection, reports, self._generation)
        prints = _fingerprints(connection)
        return [*self._roots(sessions, prints, now), *self._resends(reports, prints, now)]

    def _resends(self, reports: list[BoxReport], prints: dict[tuple[str, str], bytes], now: datetime) -> Iterator[Note]:
        near = [box for box in reports if box.heard and now - box.heard < REACHED and (box.store, box.box) in prints]
        for name, ranges in self._asking.step(wanted(near), now).items():
            body = Resend(at_us(now), ranges)
            yield Note(*name, self._keyring.receipts.seal(Kind.RESEND, body, prints[name]))

    def _orders(self, connection: Connection, now: datetime) -> Iterator[Note]:
        for one in orders.due(connection, now):
            yield Note(one.store, one.box, self._keyring.operations.seal(Kind.COMMAND, one.order, one.fingerprint))

    def _roots(
        self,
        sessions: dict[tuple[str, str], tuple[bytes, int]],
        prints: dict[tuple[str, str], bytes],
        now: datetime,
    ) -> Iterator[Note]:
        """The way from any earlier root to the present one, to every new session and now and then."""
        if not self._keyring.links:
            return
        body = Succession(at_us(now), b"".join(link.raw for link in self._keyring.links))
        for name, session in sessions.items():
            told = self._told_root.get(name)
            if name in prints and (told is None or told[0] != session or now - told[1] >= ROOT_EVERY):
                self._told_root[name] = (session, now)
                yield Note(*name, self._keyring.receipts.seal(Kind.SUCCESSION, body, prints[name]))


def _fingerprints(connection: Connection) -> dict[tuple[str, str], bytes]:
    rows = connection.execute("SELECT store, box, fingerprint FROM box WHERE revoked_at IS NULL")
    return {(store, box): bytes(mark) for store, box, mark in rows}
