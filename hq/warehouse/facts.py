"""What PostgreSQL knows of boxes, for completeness: rows of boxes, streams and lanes, not of records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
import psycopg

from cloud_sync.spans import Span, merged
from cloud_sync.wire.heartbeat import Heartbeat
from hq.warehouse import coverage
from hq.warehouse.explained import Kind
from hq.warehouse.standing import Epoch, Mark, Standing, Stream
from records import Lane

Connection = psycopg.Connection[Any]
Name = tuple[str, str]


def standings(connection: Connection, store: str | None) -> list[Standing]:
    """Every box that is registered or of which something is known, by name; of one store or of all."""
    streams = _streams(connection, store)
    ids = [one.stream for of in streams.values() for one in of]
    ranges = coverage.read(connection, ids)
    by_stream: dict[tuple[str, bytes], dict[tuple[bytes, int, Kind], list[Span]]] = defaultdict(dict)
    for (of, stream, lane, kind), spans in ranges.items():
        by_stream[of, stream][stream, lane, kind] = spans
    marks, refused = _marks(connection, store), _refused(connection, store)
    return [
        Standing(
            *name,
            beat,
            heard,
            tuple(streams.get(name, ())),
            {key: spans for one in streams.get(name, ()) for key, spans in by_stream[name[0], one.stream].items()},
            tuple(marks.get(name, ())),
            refused.get(name, 0),
        )
        for name, beat, heard in _boxes(connection, store)
    ]


def _boxes(connection: Connection, store: str | None) -> Iterable[tuple[Name, Heartbeat | None, Any]]:
    rows = connection.execute(
        """SELECT store, box, h.body, h.received_at
           FROM (SELECT store, box FROM box UNION SELECT store, box FROM stream) AS known
           LEFT JOIN heartbeat h USING (store, box)
           WHERE %(store)s::text IS NULL OR store = %(store)s ORDER BY store, box""",
        {"store": store},
    )
    for name, box, body, heard in rows:
        yield (name, box), msgspec.convert(body, Heartbeat) if body else None, heard


def _streams(connection: Connection, store: str | None) -> dict[Name, list[Stream]]:
    rows = connection.execute(
        """SELECT store, box, stream, begun, first_vital, first_normal, first_bulk, named_vital, named_normal,
               named_bulk, previous, reason, forked_at IS NOT NULL
           FROM stream WHERE %(store)s::text IS NULL OR store = %(store)s ORDER BY added_at, stream""",
        {"store": store},
    ).fetchall()
    epochs = _epochs(connection, [bytes(row[2]) for row in rows if row[-1]])
    found: dict[Name, list[Stream]] = defaultdict(list)
    for name, box, stream, begun, *numbers, previous, reason, forked in rows:
        key = bytes(stream)
        firsts = tuple(1 if first is None else first for first in numbers[:3])
        told = None if previous is None else bytes(previous)
        one = Stream(key, begun, firsts, tuple(numbers[3:]), told, reason, forked, tuple(epochs.get(key, ())))
        found[name, box].append(one)
    return found


def _epochs(connection: Connection, streams: list[bytes]) -> dict[bytes, list[Epoch]]:
    """Of forked streams alone, which are few: each with its own claims."""
    if not streams:
        return {}
    stored = _claims(connection, streams)
    found: dict[bytes, list[Epoch]] = defaultdict(list)
    rows = connection.execute(
        """SELECT stream, epoch, previous, first_vital, first_normal, first_bulk, heard_vital, heard_normal, heard_bulk
           FROM epoch WHERE stream = ANY(%s) ORDER BY received_at, epoch""",
        [streams],
    )
    for stream, epoch, previous, *numbers in rows:
        key, before = bytes(epoch), None if previous is None else bytes(previous)
        mine = {int(lane): stored[key, lane] for lane in Lane if (key, lane) in stored}
        found[bytes(stream)].append(Epoch(key, before, tuple(numbers[:3]), tuple(numbers[3:]), mine))
    return found


def _claims(connection: Connection, streams: list[bytes]) -> dict[tuple[bytes, int], list[Span]]:
    rows = connection.execute(
        """SELECT epoch, lane, range_agg(seqs) FROM (
               SELECT epoch, lane, int8multirange(seqs) AS seqs FROM claim WHERE stream = ANY(%(streams)s)
               UNION ALL SELECT epoch, lane, seqs FROM claim_folded WHERE stream = ANY(%(streams)s)) AS t
           GROUP BY epoch, lane""",
        {"streams": streams},
    )
    return {(bytes(epoch), lane): merged((one.lower, one.upper - 1) for one in seqs) for epoch, lane, seqs in rows}


def _marks(connection: Connection, store: str | None) -> dict[Name, list[Mark]]:
    rows = connection.execute(
        """SELECT store, box, stream, at, vital, normal, bulk FROM mark
           WHERE %(store)s::text IS NULL OR store = %(store)s ORDER BY at""",
        {"store": store},
    )
    found: dict[Name, list[Mark]] = defaultdict(list)
    for name, box, stream, at, *accepted in rows:
        found[name, box].append(Mark(bytes(stream), at, tuple(accepted)))
    return found


def _refused(connection: Connection, store: str | None) -> dict[Name, int]:
    rows = connection.execute(
        """SELECT store, box, sum(count) FROM loss
           WHERE reason = 'refused' AND (%(store)s::text IS NULL OR store = %(store)s) GROUP BY store, box""",
        {"store": store},
    )
    return {(name, box): int(count) for name, box, count in rows}
