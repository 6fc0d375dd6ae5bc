"""What a person carries out of a store is stored like what the broker brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from cloud_sync.ingest.core import Core
from edge_agent.buffer import Buffer
from edge_agent.buffer.export import export
from edge_agent.buffer.mirror import TABLES, Mirror, Source
from edge_agent.recorder.messages import Flush, Receipted, Tick
from edge_agent.recorder.mirroring import FILE as MIRROR
from edge_agent.recorder.opening import FILE, open_buffer
from hq.carried import TakenIn, take_in
from tests.cloud_sync.ingest.box import KEYS, OPENING, SIGNER
from tests.edge_agent.boxes import NOON, TestBox, some_records
from tests.edge_agent.test_recorder import ROOM, Bench, accept, drained
from tests.hq.warehouse.houses import PostgresHouse

RECORDS = 600
NOW_US = 1_790_000_000_000_000
T = TypeVar("T")


@dataclass
class Store:
    """A box with records in rows and batches, and the headquarters they are for."""

    bench: Bench
    house: PostgresHouse
    made: int = field(default=RECORDS)

    def exported(self, path: Path) -> Path:
        def ask(question: Callable[[Buffer], T]) -> T:
            return question(self.bench.buffer)

        path.write_bytes(b"".join(export(ask, "0214", "box-1", NOW_US)))
        return path

    def take(self, path: Path) -> TakenIn:
        return take_in(path, Core("se", KEYS, SIGNER), "se", self.house.port)


@pytest.fixture
def store(tmp_path: Path, migrated: str) -> Iterator[Store]:
    """Half of its records are cut, half are rows still; headquarters knows the box."""
    box = TestBox(hq=OPENING)
    house = PostgresHouse(migrated, [])
    house.register("0214", "box-1", box.key.public_key().public_bytes_raw())
    bench = Bench(tmp_path, box)
    made = some_records(RECORDS)
    bench.step(accept(made[: RECORDS // 2]))
    bench.step(Flush())
    drained(bench)
    bench.step(accept(made[RECORDS // 2 :]))
    bench.step(Flush())
    yield Store(bench, house)
    bench.buffer.close()
    house.port.close()


def test_everything_unsent_is_stored_once(store: Store, tmp_path: Path) -> None:
    """Batches and rows of an export are stored; a second time nothing is, nor what the box then sends by itself."""
    file = store.exported(tmp_path / "out.sex")

    taken = store.take(file)

    assert taken.fault is None
    assert len(store.house.records()) == RECORDS + 1  # and the stream's opening
    assert store.take(file).counts["stored"] == 0
    drained(store.bench)
    later = store.take(store.exported(tmp_path / "later.sex"))
    assert later.counts["stored"] == 0
    assert len(store.house.records()) == RECORDS + 1


def test_what_headquarters_has_is_not_exported(store: Store, tmp_path: Path) -> None:
    """A receipted batch is not written again."""
    drained(store.bench)
    whole = store.exported(tmp_path / "whole").stat().st_size
    parcels = store.bench.parcels()
    store.bench.step(Receipted(tuple(parcel.digest[:16] for parcel in parcels)))

    assert store.exported(tmp_path / "rest").stat().st_size < whole // 4


def test_a_file_that_ends_too_early_says_so(store: Store, tmp_path: Path) -> None:
    """What is whole of it is stored; the whole file then brings the rest."""
    file = store.exported(tmp_path / "out.sex")
    part = tmp_path / "part.sex"
    part.write_bytes(file.read_bytes()[:-5000])

    taken = store.take(part)

    assert taken.fault is not None
    assert "ends too early" in taken.fault
    assert 0 < len(store.house.records()) <= RECORDS + 1
    store.take(file)
    assert len(store.house.records()) == RECORDS + 1


@pytest.mark.parametrize("at", [3, -1])
def test_a_changed_file_is_noticed(store: Store, tmp_path: Path, at: int) -> None:
    """A flipped bit at its beginning or its end is told."""
    content = bytearray(store.exported(tmp_path / "out.sex").read_bytes())
    content[at] ^= 1
    (tmp_path / "flipped.sex").write_bytes(content)

    assert store.take(tmp_path / "flipped.sex").fault


def test_a_store_taken_over_from_its_mirror_is_counted_once(store: Store, tmp_path: Path) -> None:
    """Headquarters had part of it before the disk was lost; what comes again is known by its numbers."""
    bench = store.bench
    mirror = Mirror(tmp_path / MIRROR, bench.core.identity)
    drained(bench)
    store.take(store.exported(tmp_path / "before.sex"))
    before = len(store.house.records())
    late = some_records(40, seed=8)
    bench.step(accept(late))
    bench.step(Flush())
    for table in TABLES:
        mirror.put(Source.piece(table._replace(piece=100_000), table.first)(bench.buffer))
    ids = [id_ for id_, _, _ in Source.batches(-1)(bench.buffer)]
    mirror.take(Source.payloads(ids)(bench.buffer))
    mirror.close()
    bench.buffer.close()
    (tmp_path / FILE).unlink()

    opened = open_buffer(tmp_path, "0214", "box-1", bench.box.seal, NOON, tmp_path / MIRROR)
    assert opened.reason == "restored"
    opened.buffer.close()
    store.bench = Bench(tmp_path, bench.box)
    drained_all(store.bench)
    taken = store.take(store.exported(tmp_path / "after.sex"))

    assert taken.fault is None
    assert before == RECORDS + 1
    assert taken.counts["stored"] == len(late) + 1  # and the new stream's opening
    assert len(store.house.records()) == RECORDS + len(late) + 2


def drained_all(bench: Bench) -> None:
    while bench.core.uncut:
        bench.clock.mono += 1
        bench.step(Tick(1.0, ROOM))
