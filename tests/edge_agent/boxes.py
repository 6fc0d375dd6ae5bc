"""A box for tests: real keys, a real file, and HQ's opening key to look inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.epoch_key import EpochKey, open_epoch
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.topics import Up
from edge_agent.clock import Now
from edge_agent.recorder.epochs import BoxSeal
from records import ClockQuality, Lane, Record, from_wire, type_by_id
from simulation.traffic import records

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class HandClock:
    """A clock that moves when told."""

    mono: float = 1000.0

    def now(self) -> Now:
        return Now(NOON, self.mono, ClockQuality.SYNCED)


@dataclass
class TestBox:
    """Keys of a box and of the headquarters it seals to. keys: of the epochs whose headers HQ has seen."""

    __test__ = False
    hq: OpeningKey = field(default_factory=OpeningKey.generate)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    keys: dict[bytes, tuple[bytes, EpochKey]] = field(default_factory=dict)

    @property
    def seal(self) -> BoxSeal:
        return BoxSeal("0214", "box-1", bytes(16), self.key, [self.hq.public])

    def read(self, parcels: list[Parcel]) -> dict[tuple[Lane, int], Record]:
        """Every record of one stream in these parcels, by lane and number."""
        found = self.read_streams(parcels)
        assert len({stream for stream, _, _ in found}) <= 1
        return {(lane, seq): record for (_, lane, seq), record in found.items()}

    def read_streams(self, parcels: list[Parcel]) -> dict[tuple[bytes, Lane, int], Record]:
        """Every record in these parcels, by stream, lane and number, opened with HQ's key as HQ would."""
        found: dict[tuple[bytes, Lane, int], Record] = {}
        for parcel in parcels:
            if parcel.what is Up.EPOCH:
                header = wire_epoch.parse(parcel.payload)
                header.verify(self.key.public_key())
                self.keys[header.identity.epoch] = (header.identity.stream, open_epoch(header, self.hq))
        for parcel in parcels:
            if parcel.what is Up.BATCH:
                batch, body = wire_batch.parse(parcel.payload)
                stream, key = self.keys[batch.epoch]
                for seq, (kind, plain) in enumerate(key.open_batch(batch, body, Zstd()), batch.first):
                    assert (stream, batch.lane, seq) not in found
                    found[stream, batch.lane, seq] = from_wire(type_by_id(kind), plain)
        return found


def some_records(count: int, seed: int = 1) -> list[Record]:
    return list(islice(records(Random(seed), NOON), count))


def folder_bytes(folder: Path) -> bytes:
    """Everything that lies in a folder, file by file."""
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
