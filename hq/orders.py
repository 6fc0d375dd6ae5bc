"""What HQ tells a box to do: kept in the database, repeated until a heartbeat or an answer shows that it was done.

(generation, counter) rises for every box for ever: the counter with each order, the generation (`hq.data.Settings`)
whenever HQ was restored from a backup, which may not know the last counters.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from cloud_sync.wire.downlink import Command, Order
from hq.complete import BoxReport

Connection = psycopg.Connection[Any]
FIRST_S, LONGEST_S = 30, 3_600


class Due(NamedTuple):
    """An order to send now. fingerprint: of the box's key."""

    store: str
    box: str
    fingerprint: bytes
    order: Order


def give(connection: Connection, name: tuple[str, str], generation: int, command: Command, content: bytes) -> bool:
    """Makes an order unless the same one stands undone; whether it made one."""
    made = connection.execute(
        """INSERT INTO hq_order (store, box, generation, counter, name, content, made_at)
           SELECT %(store)s, %(box)s, %(generation)s, coalesce(max(counter), 0) + 1, %(name)s, %(content)s, now()
           FROM hq_order WHERE (store, box, generation) = (%(store)s, %(box)s, %(generation)s)
           HAVING NOT coalesce(bool_or(done_at IS NULL AND name = %(name)s AND content = %(content)s), false)""",
        {"store": name[0], "box": name[1], "generation": generation, "name": command.value, "content": content},
    )
    return made.rowcount > 0


def renew(connection: Connection, generation: int) -> None:
    """After a restore: what boxes had not yet done is told them again, above whatever they heard meanwhile."""
    connection.execute(
        """UPDATE hq_order o SET generation = %(generation)s, counter = n.place, sent_at = NULL, sent = 0
           FROM (SELECT store, box, generation, counter, row_number() OVER (
                     PARTITION BY store, box ORDER BY generation, counter) AS place
                 FROM hq_order WHERE done_at IS NULL) AS n
           WHERE (o.store, o.box, o.generation, o.counter) = (n.store, n.box, n.generation, n.counter)
               AND o.generation < %(generation)s""",
        {"generation": generation},
    )


def leave_forks(connection: Connection, reports: Iterable[BoxReport], generation: int) -> None:
    """Tells boxes whose present stream forked to open a new one; notes those that did."""
    for box in reports:
        if box.forked and box.stream in box.forked:
            content = b"".join(sorted(box.forked))
            give(connection, (box.store, box.box), generation, Command.NEW_STREAM, content)
        elif box.forked:
            connection.execute(
                """UPDATE hq_order SET done_at = now(), answer = 'another stream'
                   WHERE (store, box) = (%s, %s) AND name = %s AND done_at IS NULL""",
                [box.store, box.box, Command.NEW_STREAM.value],
            )


def due(connection: Connection, now: datetime) -> list[Due]:
    """Orders to send now, the oldest first, each noted as sent; none of an earlier generation than the box's last."""
    rows = connection.execute(
        """WITH sent AS (
               UPDATE hq_order o SET sent_at = %(now)s, sent = sent + 1
               WHERE done_at IS NULL
                   AND generation = (SELECT max(generation) FROM hq_order n WHERE (n.store, n.box) = (o.store, o.box))
                   AND (sent_at IS NULL OR sent_at + make_interval(
                       secs => least(%(longest)s, %(first)s * 2 ^ least(sent, 20))) <= %(now)s)
               RETURNING store, box, generation, counter, name, content)
           SELECT store, box, fingerprint, generation, counter, sent.name, content
           FROM sent JOIN box USING (store, box) WHERE revoked_at IS NULL ORDER BY generation, counter""",
        {"now": now, "first": FIRST_S, "longest": LONGEST_S},
    )
    return [
        Due(store, box, bytes(mark), Order(generation, counter, name, bytes(content)))
        for store, box, mark, generation, counter, name, content in rows
    ]
