"""The ledger's part of a transaction: epochs, digests, ranges of numbers, the sources' own ids.

Every statement takes its rows in sorted order, and the statements come in one order in every transaction, so that two
workers wait for each other and do not lock each other out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
import psycopg

from cloud_sync.ingest.work import Batch, Header
from cloud_sync.spans import Span, gaps, spans_of
from cloud_sync.wire.epoch import NO_EPOCH
from hq.warehouse import source
from hq.warehouse.folding import Folded
from hq.warehouse.source import Claim, SourceKey, event_bytes
from hq.warehouse.standing import moment

Cursor = psycopg.Cursor[Any]
Identity = tuple[bytes, bytes, int, int]  # stream, epoch, lane, seq
StoreKey = tuple[str, SourceKey]


def put_header(cursor: Cursor, header: Header, received: datetime) -> int:
    """How often the epoch was heard of; 0 when it is another box's or another stream's."""
    who = header.header.identity
    previous = None if who.previous == NO_EPOCH else who.previous
    cursor.execute(
        """INSERT INTO epoch (epoch, stream, store, box, previous, boot, opened, first_vital, first_normal, first_bulk,
               header, received_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (epoch) DO UPDATE SET seen = epoch.seen + 1
           WHERE (epoch.store, epoch.box, epoch.stream) = (excluded.store, excluded.box, excluded.stream)
           RETURNING seen""",
        [
            *(who.epoch, who.stream, who.store, who.box, previous, who.boot, moment(who.opened_us, received)),
            *(*who.first, header.header.raw, received),
        ],
    )
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def put_digests(cursor: Cursor, batches: Sequence[Batch], received: datetime) -> set[bytes]:
    """Counts every batch once more; the digests of those that were never seen."""
    rows = [
        (b.digest, b.sender.store, b.sender.box, b.stream, b.epoch, b.lane, b.first, b.last, b.kind)
        for b in sorted(batches, key=lambda batch: batch.digest)
    ]
    cursor.execute(
        """INSERT INTO batch (digest, store, box, stream, epoch, lane, first, last, kind, received_at)
           SELECT t.*, %s FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::smallint[],
               %s::bigint[], %s::bigint[], %s::smallint[]) AS t
           ON CONFLICT (digest) DO UPDATE SET seen = batch.seen + 1
           RETURNING digest, seen""",
        [received, *_arrays(rows)],
    )
    return {bytes(digest) for digest, seen in cursor if seen == 1}


def put_stored(cursor: Cursor, stored: Mapping[bytes, int]) -> None:
    """How many records each batch brought."""
    cursor.execute(
        """UPDATE batch SET stored = t.stored FROM unnest(%s::bytea[], %s::integer[]) AS t (digest, stored)
           WHERE batch.digest = t.digest""",
        [list(stored), list(stored.values())],
    )


def claim(cursor: Cursor, batches: Sequence[Batch], folded: Folded) -> dict[bytes, list[Span]]:
    """Claims the numbers of these batches that nobody had claimed, folded or not; which they are, by digest."""
    wanted = {
        (batch.stream, batch.epoch, int(batch.lane), first, last, batch.digest): batch
        for batch in batches
        for span in _spans(batch)
        for first, last in gaps(span, folded.get((batch.epoch, int(batch.lane)), ()))
    }
    if not wanted:
        return {batch.digest: [] for batch in batches}
    rows = [(wanted[key].sender.store, *key[:5]) for key in sorted(wanted)]
    cursor.execute(
        """INSERT INTO claim (store, stream, epoch, lane, seqs)
           SELECT t.store, t.stream, t.epoch, t.lane, int8range(t.first, t.last, '[]')
           FROM unnest(%s::text[], %s::bytea[], %s::bytea[], %s::smallint[], %s::bigint[], %s::bigint[])
               AS t (store, stream, epoch, lane, first, last)
           ON CONFLICT DO NOTHING
           RETURNING stream, epoch, lane, lower(seqs), upper(seqs) - 1""",
        _arrays(rows),
    )
    whole = set(cursor.fetchall())
    claimed: dict[bytes, list[Span]] = {batch.digest: [] for batch in batches}
    for key in sorted(wanted):
        batch = wanted[key]
        if key[:5] in whole:
            whole.remove(key[:5])
            fresh = [(key[3], key[4])]
        else:
            fresh = _claim_rest(cursor, batch, (key[3], key[4]))
        claimed.setdefault(batch.digest, []).extend(fresh)
    return claimed


def _spans(batch: Batch) -> list[Span]:
    """Without a look at every number where none is missing."""
    whole = len(batch.entries) == batch.last - batch.first + 1
    return [(batch.first, batch.last)] if whole else spans_of(batch.entries)


def _claim_rest(cursor: Cursor, batch: Batch, span: Span) -> list[Span]:
    """A re-packing: takes what is free of `span`, until nothing is, since another worker may take it meanwhile."""
    lane = (batch.stream, batch.epoch, int(batch.lane))
    mine: list[Span] = []
    while True:
        cursor.execute(
            """SELECT lower(seqs), upper(seqs) - 1 FROM claim
               WHERE stream = %s AND epoch = %s AND lane = %s AND seqs && int8range(%s, %s, '[]')""",
            [*lane, *span],
        )
        free = gaps(span, cursor.fetchall())
        if not free:
            return mine
        for gap in free:
            cursor.execute(
                """INSERT INTO claim (store, stream, epoch, lane, seqs) VALUES (%s, %s, %s, %s, int8range(%s, %s, '[]'))
                   ON CONFLICT DO NOTHING""",
                [batch.sender.store, *lane, *gap],
            )
            if cursor.rowcount:
                mine.append(gap)


def claim_sources(cursor: Cursor, firsts: Mapping[bytes, Claim]) -> tuple[dict[bytes, Identity], set[StoreKey]]:
    """Claims events, by their bytes; UniqueViolation where another worker did it meanwhile.

    Of those that others had claimed the record that was first, and those that stand with another content as well.
    """
    ids: dict[tuple[str, date, str], list[str]] = defaultdict(list)
    for claim in firsts.values():
        ids[claim.store, claim.key.business_day, claim.key.type].append(claim.key.source_id)
    standing = _standing(cursor, ids)
    known = {event_bytes(*key): who for key, who in standing.items()}
    with cursor.copy(source.COPY) as copy:
        rows = sorted([claim.row for event, claim in firsts.items() if event not in known])
        copy.write(b"".join([source.COPY_HEAD, *rows, source.COPY_END]))
    several = standing or any(len(set(same)) < len(same) for same in ids.values())
    brought = [(claim.store, claim.key) for claim in firsts.values()] if several else []
    return {event: known[event] for event in known.keys() & firsts}, _reused(brought, standing)


def _standing(cursor: Cursor, ids: Mapping[tuple[str, date, str], Sequence[str]]) -> dict[StoreKey, Identity]:
    """What is claimed of these events, in whatever content. ids: by store, business day and type."""
    events = [{"store": of[0], "business_day": of[1], "type": of[2], "ids": some} for of, some in ids.items()]
    cursor.execute(
        """SELECT s.store, s.business_day, s.type, s.source_id, s.content, s.stream, s.epoch, s.lane, s.seq
           FROM jsonb_to_recordset(%s::jsonb) AS t (store text, business_day date, type text, ids text[])
           JOIN source_claim s ON (s.store, s.business_day, s.type) = (t.store, t.business_day, t.type)
               AND s.source_id = ANY(t.ids)""",
        [msgspec.json.encode(events).decode()],
    )
    return {
        (store, SourceKey(day, kind, source_id, bytes(content))): (bytes(stream), bytes(epoch), int(lane), int(seq))
        for store, day, kind, source_id, content, stream, epoch, lane, seq in cursor
    }


def _reused(firsts: Iterable[StoreKey], standing: Iterable[StoreKey]) -> set[StoreKey]:
    contents = Counter((store, *key.event) for store, key in {*firsts, *standing})
    return {(store, key) for store, key in firsts if contents[store, *key.event] > 1}


def alert_reused(cursor: Cursor, keys: Iterable[StoreKey], received: datetime) -> None:
    """One alert for every source id that stands with more than one content.

    Two workers that commit two contents in the same moment do not see each other's; `source_claim` keeps both.
    """
    events = sorted({(store, *key.event) for store, key in keys})
    if not events:
        return
    cursor.execute(
        """INSERT INTO alert_hq (opened, rule, store, subject, detail)
           SELECT %s, 'source-id-reused', store, type || '/' || business_day || '/' || source_id,
               jsonb_build_object('contents', count(*))
           FROM source_claim
           JOIN unnest(%s::text[], %s::date[], %s::text[], %s::text[]) AS t (store, business_day, type, source_id)
               USING (store, business_day, type, source_id)
           GROUP BY store, business_day, type, source_id ORDER BY 3, 4
           ON CONFLICT (store, rule, subject) DO UPDATE SET detail = excluded.detail""",
        [received, *_arrays(events)],
    )


def _arrays(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows as the arrays that unnest takes."""
    return [list(column) for column in zip(*rows, strict=True)]
