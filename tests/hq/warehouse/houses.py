"""Both warehouses behind one way of looking into them, and work made of real batches."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Protocol

import psycopg

from cloud_sync.ingest.judge import Judge, Source
from cloud_sync.ingest.work import Beat, Header, Letter, Part, Sender, Work
from cloud_sync.ingest.work import Warehouse as Port
from cloud_sync.wire.topics import Up
from hq.warehouse.columns import TABLES
from hq.warehouse.facts import standings
from hq.warehouse.memory import MemoryWarehouse
from hq.warehouse.postgres import PostgresWarehouse
from hq.warehouse.rows import FIRST
from hq.warehouse.standing import Standing
from tests.cloud_sync.ingest.box import KEYS, NOW, Box

OPENED = date(2020, 1, 1)
_EFFECTIVE = FIRST.index("effective")


class House(Protocol):
    """A warehouse with its content laid open."""

    port: Port

    def records(self) -> dict[str, tuple[str, str | None]]:
        """Type and `duplicate_of` of every record in the tables, by identity; fails where one stands twice."""

    def effective(self) -> list[datetime]:
        """The partition keys of the weights, sorted."""

    def aside(self) -> set[str]:
        """Identities of what was set aside."""

    def letters(self) -> list[bytes]:
        """Payloads of the dead letters."""

    def alerts(self) -> list[str]:
        """Subjects of reused source ids."""

    def heard(self, box: Box) -> tuple[int, int, bool] | None:
        """Session, number and whether online."""

    def noticed(self) -> set[tuple[str, str]]:
        """Rule and subject of what HQ noticed beside reused source ids."""

    def standings(self) -> list[Standing]:
        """What completeness is made from."""

    def corrected(self) -> list[datetime | None]:
        """Of the weights by number: when they happened, where their clock was repaired."""


Make = Callable[..., House]  # of boxes


class MemoryHouse:
    def __init__(self, boxes: Iterable[Box]) -> None:
        self.port = MemoryWarehouse({(box.store, box.name): box.public_key for box in boxes}, OPENED)

    def records(self) -> dict[str, tuple[str, str | None]]:
        assert len({row.identity for row in self.port.rows}) == len(self.port.rows)
        return {row.identity: (row.opened.kind.name, row.duplicate_of) for row in self.port.rows}

    def effective(self) -> list[datetime]:
        lines = csv.reader(row.line.decode() for row in self.port.rows)
        return sorted(datetime.fromisoformat(line[_EFFECTIVE]) for line in lines)

    def aside(self) -> set[str]:
        return set(self.port.aside)

    def letters(self) -> list[bytes]:
        return [letter.payload for letter in self.port.letters.values()]

    def alerts(self) -> list[str]:
        return sorted(subject for _, subject in self.port.alerts)

    def noticed(self) -> set[tuple[str, str]]:
        return {(rule, subject) for _, rule, subject in self.port.noticed}

    def standings(self) -> list[Standing]:
        return self.port.standings()

    def corrected(self) -> list[datetime | None]:
        weights = [row for row in self.port.rows if row.opened.kind.name == "weight"]
        return [self.port.corrected(row) for row in weights]

    def heard(self, box: Box) -> tuple[int, int, bool] | None:
        last = self.port.heard.get((box.store, box.name))
        return last and (last.body.session, last.body.seq, last.online)


class PostgresHouse:
    """dsn: of a migrated, empty database."""

    def __init__(self, dsn: str, boxes: Iterable[Box]) -> None:
        self.dsn = dsn
        self.port = PostgresWarehouse(dsn)
        for box in boxes:
            self.register(box.store, box.name, box.public_key)

    def register(self, store: str, box: str, public_key: bytes) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute(
                "INSERT INTO store (store, opened) VALUES (%s, %s) ON CONFLICT DO NOTHING", [store, OPENED]
            )
            connection.execute(
                "INSERT INTO box (store, box, public_key, fingerprint) VALUES (%s, %s, %s, %s)",
                [store, box, public_key, sha256(public_key).digest()],
            )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(psycopg.connect(self.dsn)) as connection:
            return connection.execute(query.encode()).fetchall()

    def change(self, statement: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def records(self) -> dict[str, tuple[str, str | None]]:
        found: dict[str, tuple[str, str | None]] = {}
        for kind, table in TABLES.items():
            for name, first in self.rows(f'SELECT {IDENTITY}, duplicate_of FROM "{table.name}"'):  # noqa: S608
                assert str(name) not in found, f"{name} stands twice"
                found[str(name)] = (kind, None if first is None else str(first))
        return found

    def effective(self) -> list[datetime]:
        return [at for (at,) in self.rows("SELECT effective FROM weight ORDER BY effective")]  # type: ignore[misc]

    def aside(self) -> set[str]:
        return {str(name) for (name,) in self.rows(f"SELECT {IDENTITY} FROM set_aside")}  # noqa: S608

    def letters(self) -> list[bytes]:
        return [payload for (payload,) in self.rows("SELECT payload FROM dead_letter ORDER BY id")]  # type: ignore[misc]

    def alerts(self) -> list[str]:
        return [
            str(subject)
            for (subject,) in self.rows("SELECT subject FROM alert_hq WHERE rule = 'source-id-reused' ORDER BY 1")
        ]

    def noticed(self) -> set[tuple[str, str]]:
        rows = self.rows("SELECT rule, subject FROM alert_hq WHERE rule <> 'source-id-reused'")
        return {(str(rule), str(subject)) for rule, subject in rows}

    def corrected(self) -> list[datetime | None]:
        rows = self.rows("SELECT corrected_at(epoch, mono_ms, clock, at) FROM weight ORDER BY seq")
        return [at and at.astimezone(UTC) for (at,) in rows]  # type: ignore[attr-defined]

    def standings(self) -> list[Standing]:
        with closing(psycopg.connect(self.dsn, options="-c timezone=UTC")) as connection:
            return standings(connection, None)

    def heard(self, box: Box) -> tuple[int, int, bool] | None:
        rows = self.rows(
            f"SELECT session, seq, state = 'online' FROM heartbeat WHERE store = '{box.store}' AND box = '{box.name}'"  # noqa: S608
        )
        return rows[0] if rows else None  # type: ignore[return-value]


IDENTITY = "encode(stream, 'hex') || '/' || encode(epoch, 'hex') || '/' || lane || '/' || seq"


def work(box: Box, *payloads: bytes, received: datetime = NOW, header: bool = True) -> Work:
    """What ingest makes of a box's batches, its header before them."""
    return Work(received, tuple(parts(box, payloads, header=header)))


def parts(box: Box, payloads: Iterable[bytes], *, header: bool) -> Iterable[Part]:
    sender = Sender(box.store, box.name, box.fingerprint)
    judge = Judge(KEYS)
    judge.learn(box.header.raw)
    if header:
        yield Header(sender, box.header)
    for payload in payloads:
        for verdict in judge.judge(Source(sender, box.key.public_key()), Up.BATCH, box.send(Up.BATCH, payload)):
            assert isinstance(verdict, Header | Letter | Beat) or hasattr(verdict, "entries")
            yield verdict  # type: ignore[misc]


def told(box: Box, payload: bytes) -> Work:
    """A heartbeat or last will as work."""
    source = Source(Sender(box.store, box.name, box.fingerprint), box.key.public_key())
    verdicts = Judge(KEYS).judge(source, Up.HEARTBEAT, box.send(Up.HEARTBEAT, payload))
    return Work(NOW, tuple(verdict for verdict in verdicts if isinstance(verdict, Beat)))
