"""HQ's ingest without a broker: sealed batches of 2,000 records through the core into committed rows, beside one bare
COPY of the same rows; what a worker's own process spends on such a record, and on one that is alone in its batch.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.buffer import NOON, till_lines
from benchmarks.figures import Figure, show
from benchmarks.scene import BOX, STORE, bare_copy
from cloud_sync.ingest import Core
from cloud_sync.ingest.core import Arrived, Commit, Committed, Effect, LookUp
from cloud_sync.ingest.judge import Message
from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.epoch_key import EpochKey
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.epoch import NO_EPOCH, EpochIdentity
from cloud_sync.wire.topics import Address, Up
from hq import keys
from hq.data import Data, free_ports, private_directory
from hq.embedded.postgres import Postgres
from hq.ingest import tune
from hq.warehouse import migrate
from hq.warehouse.postgres import PostgresWarehouse
from records import Lane, Record, to_wire, type_of

RECORDS = 100_000
BATCH = 2_000
SINGLES = 5_000
AT_ONCE = 25  # batches that come together
SINGLES_AT_ONCE = 500
ADDRESS = Address("se", STORE, BOX)


class Sealer:
    """A box without a disk: one epoch, batches of the vital lane."""

    def __init__(self, keyring: keys.Keyring) -> None:
        self.key = Ed25519PrivateKey.generate()
        self._epoch = EpochKey(os.urandom(16), os.urandom(32))
        self._zstd = Zstd()
        public = self.key.public_key().public_bytes_raw()
        opened = int(NOON.timestamp() * 1_000_000)
        who = (sha256(public).digest(), STORE, BOX)
        identity = EpochIdentity(os.urandom(16), self._epoch.epoch, NO_EPOCH, bytes(16), opened, (1, 1, 1), *who)
        self.header = wire_epoch.sign(identity, self._epoch.sealed_for(identity, [keyring.sealing]), self.key).raw
        self._next = 1

    def batch(self, records: Sequence[Record]) -> bytes:
        pairs = [(type_of(record.data).id, to_wire(record)) for record in records]
        first, self._next = self._next, self._next + len(pairs)
        return self._epoch.seal_batch(Lane.VITAL, first, pairs, self._zstd, os.urandom)


def take_in(core: Core, warehouse: PostgresWarehouse, what: Up, payloads: Iterable[bytes]) -> None:
    """Until everything of these messages is committed."""
    messages = tuple(Message(ADDRESS.up(what), payload, None) for payload in payloads)
    waiting: deque[Effect] = deque(core.step(Arrived(messages), datetime.now(UTC)))
    while waiting:
        effect = waiting.popleft()
        if isinstance(effect, LookUp):
            waiting.extend(core.step(warehouse.look_up(effect.boxes, effect.epochs), datetime.now(UTC)))
        elif isinstance(effect, Commit):
            waiting.extend(core.step(Committed(warehouse.commit(effect.work)), datetime.now(UTC)))


def grouped(batches: Sequence[bytes], size: int) -> Iterable[Sequence[bytes]]:
    return (batches[at : at + size] for at in range(0, len(batches), size))


def let_in(dsn: str, key: Ed25519PrivateKey) -> None:
    public = key.public_key().public_bytes_raw()
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO store (store, name, timezone) VALUES (%s, '', 'Asia/Shanghai')", [STORE])
        connection.execute(
            "INSERT INTO box (store, box, public_key, fingerprint) VALUES (%s, %s, %s, %s)",
            [STORE, BOX, public, sha256(public).digest()],
        )


def measure(dsn: str, keyring: keys.Keyring) -> list[Figure]:
    sealer = Sealer(keyring)
    let_in(dsn, sealer.key)
    core, warehouse = Core("se", keyring.opening, keyring.receipts), PostgresWarehouse(dsn)
    records = till_lines(RECORDS + SINGLES)
    many = [sealer.batch(records[at : at + BATCH]) for at in range(0, RECORDS, BATCH)]
    single = [sealer.batch([record]) for record in records[RECORDS:]]
    take_in(core, warehouse, Up.EPOCH, [sealer.header])
    began, cpu = time.perf_counter(), time.process_time()
    for group in grouped(many, AT_ONCE):
        take_in(core, warehouse, Up.BATCH, group)
    rate = RECORDS / (time.perf_counter() - began)
    together = (time.process_time() - cpu) / RECORDS * 1e6
    cpu = time.process_time()
    for group in grouped(single, SINGLES_AT_ONCE):
        take_in(core, warehouse, Up.BATCH, group)
    alone = (time.process_time() - cpu) / SINGLES * 1e6
    assert core.counts["stored"] == RECORDS + SINGLES, dict(core.counts)
    warehouse.close()
    return [
        Figure("ingest_per_s", rate, "records/s", bare_copy(dsn)),
        Figure("worker_cpu_us_in_batches", together, "us/record"),
        Figure("worker_cpu_us", alone, "us/record"),
    ]


def main() -> None:
    tune()
    with TemporaryDirectory() as folder:
        data = Data(private_directory(Path(folder) / "hq"))
        keys.ensure(data)
        server = Postgres(data.database, data.password_file, *free_ports(1))
        server.start()
        try:
            migrate(server.dsn())
            show(measure(server.dsn(), keys.load(data)))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
