"""What is known of every lane as a few ranges, whatever many batches it came in.

Ingest appends to `coverage_delta` in the transaction that stores, so that workers never wait for each other; `fold`
moves that into `coverage`; whoever reads takes both together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg

from cloud_sync.spans import Span, merged
from hq.warehouse.explained import Kind, Told

Cursor = psycopg.Cursor[Any]
Connection = psycopg.Connection[Any]
Lane = tuple[str, bytes, int, Kind]  # store, stream, lane, kind
_FOLDING = 7_301_992  # any number, the same for everyone who folds


def put(cursor: Cursor, told: Iterable[Told]) -> None:
    """Appends, ranges that touch each other together."""
    spans: dict[Lane, list[Span]] = {}
    for one in told:
        spans.setdefault(one[:4], []).append((one.first, one.last))
    rows = [(*lane, *span) for lane in sorted(spans) for span in merged(spans[lane])]
    if rows:
        cursor.execute(
            """INSERT INTO coverage_delta (store, stream, lane, kind, seqs)
               SELECT store, stream, lane, kind, int8range(first, last, '[]')
               FROM unnest(%s::text[], %s::bytea[], %s::smallint[], %s::smallint[], %s::bigint[], %s::bigint[])
                   AS t (store, stream, lane, kind, first, last)""",
            [list(column) for column in zip(*rows, strict=True)],
        )


def fold(connection: Connection) -> int:
    """Moves what was appended into `coverage`, in a transaction of its own; how many rows that were."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_FOLDING])
        row = connection.execute(
            """WITH taken AS (DELETE FROM coverage_delta RETURNING *),
               put AS (
                   INSERT INTO coverage (store, stream, lane, kind, seqs)
                   SELECT store, stream, lane, kind, range_agg(seqs) FROM taken
                   GROUP BY store, stream, lane, kind ORDER BY 1, 2, 3, 4
                   ON CONFLICT (stream, lane, kind, store) DO UPDATE SET seqs = coverage.seqs + excluded.seqs)
               SELECT count(*) FROM taken"""
        ).fetchone()
    return int(row[0]) if row else 0


def read(connection: Connection, streams: Sequence[bytes]) -> Mapping[Lane, list[Span]]:
    """The ranges of these streams, rising and apart."""
    rows = connection.execute(
        """SELECT store, stream, lane, kind, range_agg(seqs) FROM (
               SELECT store, stream, lane, kind, seqs FROM coverage WHERE stream = ANY(%(streams)s)
               UNION ALL
               SELECT store, stream, lane, kind, int8multirange(seqs) FROM coverage_delta
               WHERE stream = ANY(%(streams)s)) AS t
           GROUP BY store, stream, lane, kind""",
        {"streams": list(streams)},
    )
    return {
        (store, bytes(stream), lane, Kind(kind)): [(one.lower, one.upper - 1) for one in seqs]
        for store, stream, lane, kind, seqs in rows
    }
