"""`edge-hq orders`: what boxes were told and what they answered; an order that a person gives (`hq.orders`)."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from cloud_sync.wire.downlink import Command
from hq import orders
from hq.audit import audit
from hq.completeness import reports
from hq.data import Data, Failure, pretty
from hq.exits import Exit
from hq.reading import changing, connect

Connection = psycopg.Connection[Any]


class Given(NamedTuple):
    """An order. sent: how often; done_at: when it was known to be settled; answer: `done`, or what the box said."""

    store: str
    box: str
    generation: int
    counter: int
    name: str
    made_at: datetime
    sent: int
    sent_at: datetime | None
    done_at: datetime | None
    answer: str | None

    @property
    def state(self) -> str:
        """For people."""
        if self.done_at is not None:
            return f"{self.answer} at {_time(self.done_at)}"
        return f"sent {self.sent}x, last at {_time(self.sent_at)}" if self.sent_at else "not yet sent"


def print_list(data: Data, store: str | None, as_json: bool) -> int:
    """A line an order, the newest last. Raises DataError, Failure."""
    with connect(data) as connection:
        found = given(connection, store)
    if as_json:
        print(pretty([one._asdict() for one in found]).decode(), end="")
        return Exit.DONE
    for one in found:
        print(f"{_time(one.made_at)}\t{one.store}\t{one.box}\t{one.generation}.{one.counter}\t{one.name}\t{one.state}")
    if not found:
        print("no orders", file=sys.stderr)
    return Exit.DONE


def given(connection: Connection, store: str | None) -> list[Given]:
    """Orders of a store, or of all, in the order of giving."""
    with connection.cursor(row_factory=class_row(Given)) as cursor:
        return cursor.execute(
            """SELECT store, box, generation, counter, name, made_at, sent, sent_at, done_at, answer FROM hq_order
               WHERE %(store)s::text IS NULL OR store = %(store)s
               ORDER BY made_at, store, box, generation, counter""",
            {"store": store},
        ).fetchall()


def new_stream(data: Data, store: str, box: str) -> bool:
    """Tells a box to leave its stream; False where it is told already. Raises DataError, Failure."""
    with changing(data) as connection:
        stream = next((one.stream for one in reports(connection, store) if one.box == box), None)
        if stream is None:
            raise Failure(f"{store} {box} was never heard of, so that its stream is unknown; edge-hq store list")
        made = orders.give(connection, (store, box), data.settings().generation, Command.NEW_STREAM, stream)
        audit(connection, "new stream ordered", {"store": store, "box": box, "stream": stream.hex()})
    return made


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
