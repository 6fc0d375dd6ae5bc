"""The ledger's rows of streams: where their numbers begin, how far they reach, and whether one forked.

Two epochs with one predecessor, or an epoch with numbers beyond the first of the epoch after it, were made from one
buffer file on two ways: a copied disk, an old image. Both are stored, since the epoch is part of a record's identity;
the stream is marked, and its numbers are from then on counted by epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from cloud_sync.ingest.work import Batch, Beat, Header, Opened
from cloud_sync.wire.epoch import NO_EPOCH, EpochIdentity
from cloud_sync.wire.heartbeat import Heartbeat
from hq.warehouse.said import said
from hq.warehouse.standing import accepted, mark
from records.types import StreamOpen

Cursor = psycopg.Cursor[Any]


def note(cursor: Cursor, headers: Iterable[Header], beats: Iterable[Beat], received: datetime) -> None:
    """Locks the streams' rows, so that of two headers with one predecessor the second sees the first."""
    for stream, one in said(headers, beats).items():
        cursor.execute(
            """INSERT INTO stream AS s (stream, store, box, begun, first_vital, first_normal, first_bulk,
                   named_vital, named_normal, named_bulk, added_at)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (stream) DO UPDATE SET begun = s.begun OR excluded.begun,
                   first_vital = least(s.first_vital, excluded.first_vital),
                   first_normal = least(s.first_normal, excluded.first_normal),
                   first_bulk = least(s.first_bulk, excluded.first_bulk),
                   named_vital = greatest(s.named_vital, excluded.named_vital),
                   named_normal = greatest(s.named_normal, excluded.named_normal),
                   named_bulk = greatest(s.named_bulk, excluded.named_bulk)
               WHERE (s.store, s.box) = (excluded.store, excluded.box)""",
            [stream, one.store, one.box, one.begun, *one.first, *one.named, received],
        )


def note_beat(cursor: Cursor, beat: Beat, received: datetime) -> None:
    """What the box had accepted in its epoch, and by when.

    An epoch whose header is not here vouches for nothing: it may be of an old image, and its numbers not those stored.
    """
    body = beat.body
    if not isinstance(body, Heartbeat):
        return
    named = accepted(body)
    cursor.execute(
        """UPDATE epoch SET heard_vital = greatest(heard_vital, %s), heard_normal = greatest(heard_normal, %s),
               heard_bulk = greatest(heard_bulk, %s)
           WHERE epoch = %s AND (stream, store, box) = (%s, %s, %s)""",
        [*named, body.epoch, body.stream, *beat.sender[:2]],
    )
    if cursor.rowcount and (vouched := mark(body, received)):
        cursor.execute(
            """INSERT INTO mark (store, box, stream, at, vital, normal, bulk) VALUES (%s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT DO NOTHING""",
            [*beat.sender[:2], body.stream, vouched.at, *named],
        )


def note_open(cursor: Cursor, batch: Batch, opened: Opened, received: datetime) -> None:
    """What the first record of a stream says of it; a box that begins anew without a predecessor was re-imaged."""
    data = opened.record.data
    if not isinstance(data, StreamOpen):
        return
    previous = data.previous if data.previous and len(data.previous) == 32 else None
    cursor.execute(
        "UPDATE stream SET reason = %s, previous = decode(%s, 'hex') WHERE stream = %s AND reason IS NULL",
        [data.reason, previous, batch.stream],
    )
    if previous:
        return
    cursor.execute(
        "SELECT stream FROM stream WHERE (store, box) = (%s, %s) AND stream <> %s AND added_at <= %s ORDER BY added_at",
        [batch.sender.store, batch.sender.box, batch.stream, received],
    )
    if earlier := [bytes(row[0]).hex() for row in cursor.fetchall()]:
        alert(cursor, batch.sender.store, "re-imaged", batch.stream.hex(), {"earlier": earlier}, received)


def note_forks(cursor: Cursor, fresh: Iterable[EpochIdentity], claimed: Sequence[Batch], received: datetime) -> None:
    """Marks the streams that these headers and batches show to be forked. fresh: headers that are new."""
    found: dict[tuple[str, bytes], list[bytes]] = {}
    for who in fresh:
        if twins := _siblings(cursor, who) or _crossed(cursor, who):
            found[who.store, who.stream] = [*twins, who.epoch]
    for store, stream, *epochs in _ahead(cursor, claimed):
        found.setdefault((store, bytes(stream)), [bytes(epoch) for epoch in epochs])
    for (store, stream), epochs in sorted(found.items()):
        cursor.execute("UPDATE stream SET forked_at = coalesce(forked_at, %s) WHERE stream = %s", [received, stream])
        detail = {"epochs": [epoch.hex() for epoch in epochs]}
        alert(cursor, store, "fork", stream.hex(), detail, received)


def _siblings(cursor: Cursor, who: EpochIdentity) -> list[bytes]:
    previous = None if who.previous == NO_EPOCH else who.previous
    cursor.execute(
        "SELECT epoch FROM epoch WHERE stream = %s AND epoch <> %s AND previous IS NOT DISTINCT FROM %s",
        [who.stream, who.epoch, previous],
    )
    return [bytes(epoch) for (epoch,) in cursor]


def _crossed(cursor: Cursor, who: EpochIdentity) -> list[bytes]:
    """The epoch before, where it gave numbers that this one gives too."""
    cursor.execute(
        """SELECT 1 FROM claim JOIN unnest(%(first)s::bigint[]) WITH ORDINALITY AS f (first, place)
               ON lane = place - 1 AND upper(seqs) > first
           WHERE stream = %(stream)s AND epoch = %(previous)s LIMIT 1""",
        {"first": list(who.first), "stream": who.stream, "previous": who.previous},
    )
    return [who.previous] if cursor.fetchone() else []


def _ahead(cursor: Cursor, claimed: Sequence[Batch]) -> list[tuple[Any, ...]]:
    """Epochs that now have numbers beyond the first of an epoch after them."""
    last: dict[tuple[bytes, int], int] = {}
    for batch in claimed:
        lane = (batch.epoch, int(batch.lane))
        last[lane] = max(last.get(lane, 0), batch.last)
    if not last:
        return []
    cursor.execute(
        """SELECT e.store, e.stream, t.epoch, e.epoch
           FROM unnest(%s::bytea[], %s::smallint[], %s::bigint[]) AS t (epoch, lane, last)
           JOIN epoch e ON e.previous = t.epoch
           WHERE t.last >= CASE t.lane WHEN 0 THEN first_vital WHEN 1 THEN first_normal ELSE first_bulk END
           ORDER BY 1, 2""",
        [[epoch for epoch, _ in last], [lane for _, lane in last], list(last.values())],
    )
    return cursor.fetchall()


def alert(cursor: Cursor, store: str, rule: str, subject: str, detail: object, received: datetime) -> None:
    """What HQ itself noticed, once for each subject."""
    cursor.execute(
        """INSERT INTO alert_hq (opened, rule, store, subject, detail) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (store, rule, subject) DO UPDATE SET detail = excluded.detail""",
        [received, rule, store, subject, Jsonb(detail)],
    )
