"""The warehouse in PostgreSQL. One connection, used by one thread at a time, opened when needed and again when lost.

What `commit` returns follows a synchronous commit. Anything else, a commit of which only this server says that it
happened included, counts as not known: the work comes again, and comes to nothing where it was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from datetime import date
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from cloud_sync.ingest.work import Batch, BoxName, Header, Known, Letter, Outcome, WarehouseAway, Work
from hq.warehouse.schema import keep_partitions
from hq.warehouse.transaction import Entries, Transaction, formed_entries

TRIES = 8
_OPTIONS = (
    "-c timezone=UTC -c synchronous_commit=on -c lock_timeout=30s -c statement_timeout=300s"
    # Ingest looks few rows up in large tables, by their keys; statistics of a table that fills would say otherwise.
    " -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c idle_in_transaction_session_timeout=60s"
)
_AGAIN = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.ExclusionViolation,
    errors.UniqueViolation,
    errors.LockNotAvailable,
)
_REFUSED = (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded, errors.StatementTooComplex)
T = TypeVar("T")


class PostgresWarehouse:
    """dsn: of a migrated database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection[Any] | None = None
        self._warnings: list[str] = []
        self._day: date | None = None  # on which the partitions were looked after
        self.prepared: dict[bytes, Entries] = {}  # by batch; what waits for its commit

    def look_up(self, boxes: Set[BoxName], epochs: Set[bytes]) -> Known:
        return self._guarded(lambda connection: self._look_up(connection, boxes, epochs))

    def commit(self, work: Work) -> Outcome:
        try:
            return self._guarded(lambda connection: self._commit(connection, work))
        finally:
            for batch in work.batches():
                self.prepared.pop(batch.digest, None)

    def prepare(self, batches: Iterable[Batch]) -> None:
        """What a commit of these needs no database for; may be done in another thread meanwhile."""
        for batch in batches:
            if batch.digest not in self.prepared:
                self.prepared[batch.digest] = formed_entries(batch)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _guarded(self, action: Callable[[psycopg.Connection[Any]], T]) -> T:
        try:
            if self._connection is None:
                self._connection = self._connect()
            return action(self._connection)
        except psycopg.Error as fault:
            self.close()
            self.prepared.clear()  # what was waiting goes back to the broker
            raise WarehouseAway(f"{type(fault).__name__}: {_first_line(fault)}") from fault

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._dsn, autocommit=True, options=_OPTIONS, connect_timeout=10)
        connection.add_notice_handler(self._notice)
        self._day = None
        return connection

    def _notice(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warnings.append(notice.message_primary or "")

    @staticmethod
    def _look_up(connection: psycopg.Connection[Any], boxes: Set[BoxName], epochs: Set[bytes]) -> Known:
        names = sorted(boxes)
        keys = connection.execute(
            """SELECT store, box, public_key FROM box JOIN unnest(%s::text[], %s::text[]) AS t (store, box)
               USING (store, box) WHERE revoked_at IS NULL""",
            [[store for store, _ in names], [box for _, box in names]],
        )
        known: dict[BoxName, bytes | None] = dict.fromkeys(names)
        known.update({(store, box): bytes(key) for store, box, key in keys})
        headers = connection.execute("SELECT epoch, header FROM epoch WHERE epoch = ANY(%s)", [sorted(epochs)])
        found: dict[bytes, bytes | None] = dict.fromkeys(epochs)
        found.update({bytes(epoch): bytes(header) for epoch, header in headers})
        return Known(known, found)

    def _commit(self, connection: psycopg.Connection[Any], work: Work) -> Outcome:
        """All at once; where a value is refused, with care; where even that is refused, part by part."""
        if self._day != work.received.date():
            self._day = work.received.date()
            keep_partitions(connection, self._day)
        try:
            return self._attempt(connection, work, careful=False)
        except _REFUSED:
            pass
        try:
            return self._attempt(connection, work, careful=True)
        except _REFUSED:
            return self._part_by_part(connection, work)

    def _formed(self, batch: Batch) -> Entries:
        self.prepare([batch])
        return self.prepared[batch.digest]

    def _part_by_part(self, connection: psycopg.Connection[Any], work: Work) -> Outcome:
        """Nobody waits for what one message cannot do: it stays unsettled, without an answer."""
        total = Outcome()
        for part in sorted(work.parts, key=lambda part: not isinstance(part, Header)):
            try:
                done = self._attempt(connection, Work(work.received, (part,)), careful=True)
            except _REFUSED:
                digests = {part.digest} if isinstance(part, Header | Batch | Letter) else set()
                done = Outcome(unsettled=frozenset(digests))
            total = total.plus(done)
        return total

    def _attempt(self, connection: psycopg.Connection[Any], work: Work, *, careful: bool) -> Outcome:
        for left in reversed(range(TRIES)):
            self._warnings.clear()
            try:
                with connection.transaction():
                    outcome = Transaction(connection.cursor(), work, self._formed, careful=careful).run()
            except _AGAIN:
                if not left:
                    raise
                continue
            if self._warnings:
                raise psycopg.OperationalError(f"committed with a warning: {self._warnings[0]}")
            return outcome
        raise AssertionError("unreachable")


def _first_line(fault: psycopg.Error) -> str:
    return (fault.diag.message_primary or str(fault)).split("\n", 1)[0]
