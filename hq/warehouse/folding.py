"""Keeping the ledger small: thirty days after an epoch ended its claims become one row a lane.

An epoch ended where a later one follows it in its stream, thirty days ago. Its claims become one multirange, its
batches' digests are forgotten: a batch that comes again afterwards finds its numbers claimed, stores nothing and is
receipted all the same. Each epoch is folded in a transaction of its own, under a lock that ingest shares to claim in an
old epoch, so that for nobody a number is between the two tables. An epoch that ingest is at is left to the next time:
who waited for it while ingest waits for him would break one of the two off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg

from cloud_sync.ingest.work import Batch
from cloud_sync.spans import Span

Connection = psycopg.Connection[Any]
AFTER = timedelta(days=30)
EPOCHS = 500  # folded in one go
MARGIN = timedelta(days=1)  # ingest looks for folded claims this much earlier than anybody folds
_SPACE = 7_301_994  # of the advisory locks on epochs
Folded = Mapping[tuple[bytes, int], list[Span]]  # by epoch and lane


def fold(connection: Connection, now: datetime) -> int:
    """Folds some of what is due, on a connection in autocommit; how many epochs that were. Waits for nobody."""
    rows = connection.execute(
        """SELECT e.epoch FROM epoch e
           WHERE e.folded_at IS NULL AND e.received_at < %(before)s AND EXISTS (
               SELECT 1 FROM epoch n WHERE n.previous = e.epoch AND n.received_at < %(before)s)
           ORDER BY e.received_at LIMIT %(limit)s""",
        {"before": now - AFTER, "limit": EPOCHS},
    ).fetchall()
    count = 0
    for (epoch,) in rows:
        with connection.transaction():
            if _is_free(connection, bytes(epoch)):
                _fold(connection, bytes(epoch), now)
                count += 1
    return count


def folded(cursor: psycopg.Cursor[Any], batches: Iterable[Batch], received: datetime) -> Folded:
    """What of these batches' epochs is claimed and folded; until the transaction ends nobody folds more of them."""
    cursor.execute(
        "SELECT epoch FROM epoch WHERE epoch = ANY(%s) AND received_at < %s ORDER BY epoch",
        [sorted({batch.epoch for batch in batches}), received - AFTER + MARGIN],
    )
    old = [bytes(epoch) for (epoch,) in cursor]
    if not old:
        return {}
    cursor.execute(
        "SELECT pg_advisory_xact_lock_shared(%s, hashtext(encode(e, 'hex'))) FROM unnest(%s::bytea[]) AS e",
        [_SPACE, old],
    )
    cursor.execute("SELECT epoch, lane, seqs FROM claim_folded WHERE epoch = ANY(%s)", [old])
    return {(bytes(epoch), lane): [(one.lower, one.upper - 1) for one in seqs] for epoch, lane, seqs in cursor}


def _is_free(connection: Connection, epoch: bytes) -> bool:
    """Takes the locks on an epoch, unless ingest has one of them."""
    if not connection.execute("SELECT 1 FROM epoch WHERE epoch = %s FOR NO KEY UPDATE SKIP LOCKED", [epoch]).fetchone():
        return False
    taken = connection.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(encode(%s, 'hex')))", [_SPACE, epoch])
    return taken.fetchone() == (True,)


def _fold(connection: Connection, epoch: bytes, now: datetime) -> None:
    connection.execute(
        """WITH of AS (SELECT stream, epoch FROM epoch WHERE epoch = %(e)s),
               taken AS (DELETE FROM claim c USING of WHERE (c.stream, c.epoch) = (of.stream, of.epoch) RETURNING c.*)
           INSERT INTO claim_folded (store, stream, epoch, lane, seqs)
           SELECT store, stream, epoch, lane, range_agg(seqs) FROM taken GROUP BY store, stream, epoch, lane
           ON CONFLICT (epoch, lane) DO UPDATE SET seqs = claim_folded.seqs + excluded.seqs""",
        {"e": epoch},
    )
    connection.execute("DELETE FROM batch WHERE epoch = %s", [epoch])
    connection.execute("UPDATE epoch SET folded_at = %s WHERE epoch = %s", [now, epoch])


def prune_marks(connection: Connection, complete: Mapping[tuple[str, str], datetime], now: datetime) -> None:
    """Forgets what a box had accepted before it was complete; of what is open, keeps one an hour, of old one a day."""
    names = sorted(complete)
    connection.execute(
        """DELETE FROM mark m USING unnest(%s::text[], %s::text[], %s::timestamptz[]) AS t (store, box, at)
           WHERE (m.store, m.box) = (t.store, t.box) AND m.at < t.at""",
        [[store for store, _ in names], [box for _, box in names], [complete[name] for name in names]],
    )
    connection.execute(
        """DELETE FROM mark m WHERE at < %(now)s - interval '1 hour' AND EXISTS (
               SELECT 1 FROM mark o WHERE (o.store, o.box) = (m.store, m.box) AND o.at < m.at
                   AND o.at >= date_trunc(
                       CASE WHEN m.at < %(now)s - interval '7 days' THEN 'day' ELSE 'hour' END, m.at))""",
        {"now": now},
    )
