"""`edge-hq dead-letters`: messages that could not be stored, looked at, tried again, thrown away.

A letter is tried again the way it came: verified, opened and committed, its numbers claimed like any batch's, so that
however often it is tried and whatever else brought its records meanwhile, each is stored once. What nobody settled
stays for ever; what is settled keeps its line and loses its bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, LiteralString, NamedTuple

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg.rows import class_row

from cloud_sync.ingest.judge import HoldEpoch, Ignored, Judge, Message, Source, Verdict, epoch_of
from cloud_sync.ingest.work import Letter as DeadLetter
from cloud_sync.ingest.work import Sender, Warehouse, WarehouseAway, Work
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire.reader import WireError
from cloud_sync.wire.topics import parse_up
from hq import headquarters, keys
from hq.audit import audit
from hq.data import Data, Failure, pretty
from hq.exits import Exit
from hq.reading import changing, connect
from hq.warehouse.explained import refused_batch
from hq.warehouse.postgres import PostgresWarehouse

Connection = psycopg.Connection[Any]
_COLUMNS = "id, received_at, store, box, topic, reason, digest, seen, tries, settled, settled_at, payload"


class Letter(NamedTuple):
    """One message. seen: how often it came; tries: how often it was tried again; settled: redriven, discarded, None."""

    id: int
    received_at: datetime
    store: str
    box: str
    topic: str
    reason: str
    digest: bytes
    seen: int
    tries: int
    settled: str | None
    settled_at: datetime | None
    payload: bytes


class Outcome(NamedTuple):
    """Of one letter that was tried again. stored: records that are new; left: why it stays, empty where settled."""

    id: int
    stored: int
    left: str


def print_list(data: Data, store: str | None, everything: bool, as_json: bool) -> int:
    """A line a letter, the newest last. Raises DataError, Failure."""
    with connect(data) as connection:
        found = letters(connection, store, everything)
    if as_json:
        _print_json([_object(one) for one in found])
        return Exit.DONE
    for one in found:
        state = one.settled or f"seen {one.seen}x, tried {one.tries}x"
        print(f"{one.id}\t{one.received_at:%Y-%m-%dT%H:%M:%SZ}\t{one.store}\t{one.box}\t{state}\t{one.reason}")
    if not found:
        print("no dead letters", file=sys.stderr)
    return Exit.DONE


def print_one(data: Data, number: int, as_json: bool) -> int:
    """Everything about a letter but its sealed content. Raises DataError, Failure."""
    with connect(data) as connection:
        (one,) = _chosen(connection, [number])
    if as_json:
        _print_json(_object(one))
        return Exit.DONE
    for name, value in _object(one).items():
        print(f"{name}: {'' if value is None else value}")
    return Exit.DONE


def print_redriven(data: Data, numbers: Sequence[int], as_json: bool) -> int:
    """Tries letters again, all open ones where none is named; fails when one stays. Raises DataError, Failure."""
    keyring = keys.load(data)
    with closing(PostgresWarehouse(headquarters.database(data).dsn())) as warehouse, changing(data) as connection:
        chosen = _chosen(connection, numbers) if numbers else letters(connection, None, everything=False)
        connection.commit()
        outcomes = [redrive(connection, warehouse, keyring.opening, one, datetime.now(UTC)) for one in chosen]
    if as_json:
        _print_json([one._asdict() for one in outcomes])
    else:
        for one in outcomes:
            print(f"{one.id}: {f'stays: {one.left}' if one.left else f'settled, {one.stored} records are new'}")
    return Exit.FAILED if any(one.left for one in outcomes) else Exit.DONE


def print_discarded(data: Data, numbers: Sequence[int], why: str, as_json: bool) -> int:
    """Throws letters away for good; the audit keeps who, when and why. Raises DataError, Failure."""
    with changing(data) as connection:
        for one in _chosen(connection, numbers):
            discard(connection, one, why)
    if as_json:
        _print_json([{"id": number, "settled": "discarded"} for number in numbers])
    else:
        print(f"{len(numbers)} thrown away")
    return Exit.DONE


def letters(connection: Connection, store: str | None, everything: bool) -> list[Letter]:
    """Open letters, or `everything` with those that were settled."""
    return _read(
        connection,
        "(%(store)s::text IS NULL OR store = %(store)s) AND (%(all)s OR settled IS NULL)",
        {"store": store, "all": everything},
    )


def redrive(
    connection: Connection, warehouse: Warehouse, opening: dict[bytes, OpeningKey], one: Letter, now: datetime
) -> Outcome:
    """Takes the letter as ingest would today. Raises Failure when the database is away."""
    try:
        outcome = _take(warehouse, opening, one, now)
    except WarehouseAway as fault:
        raise Failure(f"the database went away; try again later ({fault})") from fault
    with connection.transaction():
        if outcome.left:
            connection.execute(
                "UPDATE dead_letter SET tries = tries + 1, reason = %s WHERE id = %s", [outcome.left, one.id]
            )
        else:
            _settle(connection, one, "redriven")
        audit(connection, "dead-letter redriven", {"id": one.id, "stored": outcome.stored, "left": outcome.left})
    return outcome


def discard(connection: Connection, one: Letter, why: str) -> None:
    """Raises Failure for one that is settled."""
    if one.settled:
        raise Failure(f"dead letter {one.id} was {one.settled} on {one.settled_at:%Y-%m-%d}; nothing is left of it")
    _settle(connection, one, "discarded")
    audit(connection, "dead-letter discarded", {"id": one.id, "digest": one.digest.hex(), "why": why})


def _take(warehouse: Warehouse, opening: dict[bytes, OpeningKey], one: Letter, now: datetime) -> Outcome:
    if one.settled:
        raise Failure(f"dead letter {one.id} was {one.settled}; nothing is left of it")
    verdicts = _judged(warehouse, opening, one)
    left = "; ".join(_left(verdicts))
    parts = tuple(v for v in verdicts if not isinstance(v, DeadLetter | HoldEpoch | Ignored))
    if not parts:
        return Outcome(one.id, 0, left)
    done = warehouse.commit(Work(now, parts))
    return Outcome(one.id, done.stored, left or ("its epoch stands with another box" if done.unsettled else ""))


def _judged(warehouse: Warehouse, opening: dict[bytes, OpeningKey], one: Letter) -> list[Verdict]:
    try:
        what = parse_up(one.topic)[1]
    except WireError as fault:
        return [Ignored(str(fault))]
    name, epoch = (one.store, one.box), epoch_of(what, one.payload)
    known = warehouse.look_up({name}, {epoch} if epoch else set())
    raw = known.boxes[name]
    if raw is None:
        return [Ignored("the box is not registered")]
    judge = Judge(opening)
    for header in filter(None, known.epochs.values()):
        judge.learn(header)
    source = Source(Sender(*name, sha256(raw).digest()), Ed25519PublicKey.from_public_bytes(raw))
    return judge.judge(source, what, Message(one.topic, one.payload, None))


def _left(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        if isinstance(verdict, DeadLetter):
            yield verdict.reason
        elif isinstance(verdict, HoldEpoch):
            yield f"not yet: {verdict.why}"
        elif isinstance(verdict, Ignored):
            yield verdict.why


def _settle(connection: Connection, one: Letter, how: str) -> None:
    connection.execute(
        "UPDATE dead_letter SET settled = %s, settled_at = now(), tries = tries + 1, payload = '' WHERE id = %s",
        [how, one.id],
    )


def _read(connection: Connection, where: LiteralString, values: Mapping[str, object]) -> list[Letter]:
    cursor = connection.cursor(row_factory=class_row(Letter))
    return cursor.execute(f"SELECT {_COLUMNS} FROM dead_letter WHERE {where} ORDER BY id", values).fetchall()  # noqa: S608


def _chosen(connection: Connection, numbers: Sequence[int]) -> list[Letter]:
    by_number = {one.id: one for one in _read(connection, "id = ANY(%(ids)s)", {"ids": list(numbers)})}
    if absent := [number for number in numbers if number not in by_number]:
        raise Failure(f"no dead letter {absent[0]}; edge-hq dead-letters list shows those that there are")
    return [by_number[number] for number in numbers]


def _object(one: Letter) -> dict[str, object]:
    shown = one._asdict() | {"digest": one.digest.hex(), "payload": None, "bytes": len(one.payload)}
    del shown["payload"]
    header = refused_batch(DeadLetter(Sender("", "", b""), one.digest, one.topic, one.reason, one.payload, True, True))
    if header:
        shown |= {"epoch": header.epoch.hex(), "lane": header.lane.name.lower()}
        shown |= {"first": header.first, "last": header.last}
    return shown


def _print_json(value: object) -> None:
    print(pretty(value).decode(), end="")
