"""The small things of a transaction: dead letters, heartbeats, records set aside."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from cloud_sync.ingest.work import Aside, Batch, Beat, Letter, Reply
from cloud_sync.wire.heartbeat import Heartbeat, Will
from hq.warehouse import streams
from hq.warehouse.explained import Kind, Told, refused_batch
from hq.warehouse.rows import clean, json_text
from hq.warehouse.runs import Run, follow, noticed
from hq.warehouse.standing import moment

Cursor = psycopg.Cursor[Any]


class SetAside(NamedTuple):
    """A record that no table can hold, with its number."""

    batch: Batch
    seq: int
    entry: Aside


def put_letters(cursor: Cursor, letters: Iterable[Letter], received: datetime) -> list[Told]:
    """The same message again is counted, not kept twice. The numbers of the batches among them, as refused."""
    told = []
    for letter in sorted(letters, key=lambda one: (one.sender, one.digest)):
        cursor.execute(
            """INSERT INTO dead_letter (received_at, store, box, topic, reason, digest, payload)
               VALUES (%s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (store, box, digest) DO UPDATE SET seen = dead_letter.seen + 1,
                   payload = excluded.payload, settled = NULL, settled_at = NULL""",
            [received, *letter.sender[:2], letter.topic, clean(letter.reason), letter.digest, letter.payload],
        )
        told += _refused(cursor, letter)
    return told


def _refused(cursor: Cursor, letter: Letter) -> list[Told]:
    header = refused_batch(letter)
    if header is None:
        return []
    cursor.execute(
        "SELECT stream FROM epoch WHERE epoch = %s AND (store, box) = (%s, %s)", [header.epoch, *letter.sender[:2]]
    )
    row = cursor.fetchone()
    numbers = (header.first, header.last)
    return [Told(letter.sender.store, bytes(row[0]), header.lane, Kind.REFUSED, *numbers)] if row else []


def put_replies(cursor: Cursor, replies: Iterable[Reply], received: datetime) -> None:
    """Answers to orders; what a box does not hold any more is the ledger's."""
    for reply in replies:
        if reply.body.order is not None:
            answer = "done" if reply.body.done else clean(reply.body.why) or "not done"
            cursor.execute(
                """UPDATE hq_order SET done_at = %s, answer = %s
                   WHERE (store, box, generation, counter) = (%s, %s, %s, %s) AND done_at IS NULL""",
                [received, answer, *reply.sender[:2], *reply.body.order],
            )


def put_aside(cursor: Cursor, records: Iterable[SetAside], received: datetime) -> None:
    """Each stands under a number that its batch just claimed, so there is none yet."""
    cursor.executemany(
        """INSERT INTO set_aside (store, box, stream, epoch, lane, seq, type, reason, record, received_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            (
                *of.sender[:2],
                of.stream,
                of.epoch,
                of.lane,
                seq,
                entry.kind.name,
                clean(entry.reason),
                entry.raw,
                received,
            )
            for of, seq, entry in records
        ],
    )


def put_beats(cursor: Cursor, beats: Iterable[Beat], received: datetime) -> None:
    """Keeps the newest of every box."""
    for beat in sorted(beats, key=lambda one: one.sender[:2]):
        if isinstance(beat.body, Heartbeat):
            _put_heartbeat(cursor, beat.body, received)
            streams.note_beat(cursor, beat, received)
        else:
            _put_will(cursor, beat.body)


def _put_heartbeat(cursor: Cursor, beat: Heartbeat, received: datetime) -> None:
    """One that came late says nothing; of two that are each a box's first, at once, one stays."""
    cursor.execute("SELECT runs FROM heartbeat WHERE (store, box) = (%s, %s) FOR UPDATE", [beat.store, beat.box])
    row = cursor.fetchone()
    before = msgspec.convert(row[0], list[Run]) if row else []
    after = follow(before, beat)
    if after == before:
        return
    body = json_text(beat)
    cursor.execute(
        """INSERT INTO heartbeat AS h (store, box, at, received_at, session, seq, state, body, full_body, runs)
           VALUES (%s, %s, %s, %s, %s, %s, 'online', %s, %s, %s)
           ON CONFLICT (store, box) DO UPDATE SET at = excluded.at, received_at = excluded.received_at,
               session = excluded.session, seq = excluded.seq, state = excluded.state, body = excluded.body,
               full_body = coalesce(excluded.full_body, h.full_body), runs = excluded.runs""",
        [
            *(beat.store, beat.box, moment(beat.at_us, received), received, beat.session, beat.seq),
            *(body, body if beat.full else None, Jsonb(msgspec.to_builtins(after))),
        ],
    )
    if rule := noticed(before, after):
        detail = {"streams": sorted({run.stream.hex() for run in after})}
        streams.alert(cursor, beat.store, rule, beat.box, detail, received)


def _put_will(cursor: Cursor, will: Will) -> None:
    """The last will of an old session says nothing about the present one."""
    cursor.execute(
        "UPDATE heartbeat SET state = 'offline' WHERE (store, box) = (%s, %s) AND session <= %s",
        [will.store, will.box, will.session],
    )
