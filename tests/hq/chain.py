"""A chain of stores in a database, filled the way ingest fills it: through the warehouse."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import psycopg

from cloud_sync.ingest.work import Batch, Beat, Opened, Sender, Work
from cloud_sync.wire.heartbeat import DeviceState, Heartbeat, LaneState, LinkState, Will
from hq.warehouse.postgres import PostgresWarehouse
from records import Lane, Record, lane_of, type_of

BOX = "box-1"
_EPOCH_START = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Chain:
    """Stores with one mini-PC each, in the migrated database at `dsn`."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._warehouse = PostgresWarehouse(dsn)
        self._streams: dict[str, bytes] = {}
        self._sequences: Counter[tuple[str, Lane]] = Counter()
        self._beats = 0

    def add_store(self, store: str, timezone: str = "Asia/Shanghai", name: str = "") -> None:
        self._streams[store] = secrets.token_bytes(16)
        with psycopg.connect(self.dsn) as connection:
            connection.execute("INSERT INTO store (store, name, timezone) VALUES (%s, %s, %s)", [store, name, timezone])
            connection.execute(
                "INSERT INTO box (store, box, public_key, fingerprint) VALUES (%s, %s, '', '')", [store, BOX]
            )

    def store_records(self, store: str, at: datetime, *records: Record) -> None:
        """What a store sent, one batch a lane; received at `at`."""
        batches = [
            self._batch(store, lane, [record for record in records if lane_of(record.data) is lane]) for lane in Lane
        ]
        self._warehouse.commit(Work(at, tuple(batch for batch in batches if batch.entries)))

    def _batch(self, store: str, lane: Lane, records: Sequence[Record]) -> Batch:
        first = self._sequences[store, lane] + 1
        entries = {
            first + place: Opened(type_of(record.data), record, extra={}) for place, record in enumerate(records)
        }
        self._sequences[store, lane] += len(records)
        sender = Sender(store, BOX, b"")
        last = self._sequences[store, lane]
        return Batch(
            sender,
            secrets.token_bytes(32),
            self._streams[store],
            secrets.token_bytes(16),
            lane,
            first,
            last,
            1,
            entries,
        )

    def beat(
        self,
        store: str,
        at: datetime,
        waiting: int = 0,
        oldest_s: int | None = None,
        devices: Sequence[DeviceState] = (),
        link: LinkState | None = None,
    ) -> None:
        """A heartbeat that HQ heard at `at`, a full one where it names devices; `waiting` records of each lane more
        than were stored."""
        lanes = tuple(
            LaneState(self._sequences[store, lane] + waiting, 0, waiting, 100 * waiting, oldest_s) for lane in Lane
        )
        self._beats += 1
        body = Heartbeat(
            store=store,
            box=BOX,
            session=1,
            seq=self._beats,
            at_us=(at - _EPOCH_START) // timedelta(microseconds=1),
            version="0.1.0",
            stream=self._streams[store],
            epoch=b"e" * 16,
            boot=b"b" * 16,
            lanes=lanes,
            skew_ms=40,
            full=bool(devices),
            devices=tuple(devices),
            link=link,
        )
        self._warehouse.commit(Work(at, (Beat(Sender(store, BOX, b""), body),)))

    def will(self, store: str, at: datetime) -> None:
        """The broker reports that the box's link broke."""
        self._warehouse.commit(Work(at, (Beat(Sender(store, BOX, b""), Will(store, BOX, session=1)),)))

    def close(self) -> None:
        self._warehouse.close()


def record(device: str, at: datetime, data: msgspec.Struct) -> Record:
    return Record(device, at, data)
