"""Makes docs/wire-vectors.json: `python -m tests.cloud_sync.make_vectors`. HPKE and nonces are random, so every run
differs; the file that is committed is what counts.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.seal.dictionary import CURRENT, Zstd
from cloud_sync.seal.epoch_key import EpochKey
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire import batch, certificate, epoch, export, heartbeat, succession
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import (
    ANY_EPOCH,
    Command,
    Hold,
    Kind,
    Message,
    Order,
    Pace,
    Receipt,
    Refusal,
    Resend,
    Signer,
    Succession,
)
from cloud_sync.wire.heartbeat import Answer, Body, DeviceState, Heartbeat, LaneState, Will
from cloud_sync.wire.topics import Up
from records import ClockQuality, Lane, Record, to_json, to_wire, type_of
from records.types import DoorCount, PosSale, SaleLine, Tender

Range = tuple[bytes, bytes, int, int, int]
FILE = Path(__file__).parents[2] / "docs" / "wire-vectors.json"
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
LINE = SaleLine(
    line=1,
    kind="sale",
    item_id="6901234567892",
    name="纯牛奶 250ml",
    quantity=Decimal(2),
    unit_price=Decimal("3.50"),
    extended_amount=Decimal("7.00"),
)
SALE = PosSale(
    source_id="01/2026-11-20/000123",
    transaction_id="000123",
    workstation="01",
    business_day=AT.date(),
    currency="CNY",
    lines=(LINE,),
    tenders=(Tender(kind="cash", amount=Decimal("7.00")),),
    total=Decimal("7.00"),
)
DOOR = DoorCount(in_=3, out=1, from_=AT - timedelta(minutes=1), to=AT)
RECORDS = [
    Record("till-1", AT, SALE, 1000, ClockQuality.SOURCE),
    Record("till-1", AT + timedelta(seconds=9), SALE, 10_000, ClockQuality.SOURCE),
]
ROWS = [Record("door-1", AT, DOOR, 2000, ClockQuality.SYNCED)]


def main() -> None:
    box = Ed25519PrivateKey.generate()
    roots = [Ed25519PrivateKey.generate() for _ in range(3)]
    hq = OpeningKey.generate()
    fingerprint = sha256(box.public_key().public_bytes_raw()).digest()
    identity = epoch.EpochIdentity(
        os.urandom(16), os.urandom(16), epoch.NO_EPOCH, os.urandom(16), 1_795_167_000_000_000, (1, 1, 1), fingerprint,
        "0214", "box-1",
    )  # fmt: skip
    key = EpochKey(identity.epoch, os.urandom(32))
    header = epoch.sign(identity, key.sealed_for(identity, [hq.public]), box)
    plain = [(type_of(record.data).id, to_wire(record)) for record in RECORDS]
    sealed = key.seal_batch(Lane.VITAL, 1, plain, Zstd(), os.urandom)
    door = type_of(DOOR).id
    row = key.seal_row(Lane.NORMAL, 1, door, Zstd().record(to_wire(ROWS[0])), os.urandom)
    rows = batch.pack_rows(Lane.NORMAL, identity.epoch, 1, [batch.Row(door, CURRENT, row)])
    ranges = [(identity.stream, ANY_EPOCH, 1, 11, 20), (identity.stream, identity.epoch, 0, 3, 3)]
    carried = b"".join(export.write("0214", "box-1", [(Up.EPOCH, b"one"), (Up.BATCH, b"two")]))
    vectors = {
        "keys": {
            "box_private": box.private_bytes_raw().hex(),
            "root_public": roots[0].public_key().public_bytes_raw().hex(),
            "hq_private": hq.raw.hex(),
        },
        "epoch_header": {"bytes": header.raw.hex(), "epoch": identity.epoch.hex(), "stream": identity.stream.hex()},
        "batch": {"bytes": sealed.hex(), "records": [json.loads(to_json(record)) for record in RECORDS]},
        "rows_batch": {"bytes": rows.hex(), "records": [json.loads(to_json(record)) for record in ROWS]},
        **_down(batch.digest(sealed)[:16], identity, roots, ranges),
        **_up(identity, box, ranges),
        "later_root": roots[2].public_key().public_bytes_raw().hex(),
        "carried": {"bytes": carried.hex()},
    }
    FILE.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")


def _down(
    digest: bytes, identity: epoch.EpochIdentity, roots: list[Ed25519PrivateKey], ranges: list[Range]
) -> dict[str, object]:
    """Envelopes of every kind, and one by a key that only the last root certified."""
    keys = {usage: Ed25519PrivateKey.generate() for usage in Usage}
    receipts, operations = (
        Signer(key, certificate.issue(roots[0], usage, usage, 1, key.public_key())) for usage, key in keys.items()
    )
    proof = certificate.issue(roots[2], Usage.RECEIPTS, 7, 5, keys[Usage.RECEIPTS].public_key())
    later = Signer(keys[Usage.RECEIPTS], proof)
    links = b"".join(
        succession.issue(old, number, new.public_key()).raw for number, (old, new) in enumerate(pairwise(roots), 1)
    )
    bodies: dict[str, tuple[Signer, Kind, Message]] = {
        "receipt": (receipts, Kind.RECEIPT, Receipt(5, digest)),
        "hold": (receipts, Kind.HOLD, Hold(6, identity.epoch)),
        "refusal": (receipts, Kind.REFUSAL, Refusal(7, digest, "changed since it was sealed")),
        "pace": (receipts, Kind.PACE, Pace(8, 20_000, 300)),
        "resend": (receipts, Kind.RESEND, Resend(9, ranges)),
        "command": (operations, Kind.COMMAND, Order(1, 2, Command.NEW_STREAM.value, identity.stream)),
        "configuration": (operations, Kind.CONFIG, Order(1, 3, "store.yaml", b"store: '0214'\n")),
        "succession": (later, Kind.SUCCESSION, Succession(10, links)),
        "receipt_of_a_later_root": (later, Kind.RECEIPT, Receipt(11, digest)),
    }
    made: dict[str, dict[str, object]] = {
        name: {"bytes": signer.seal(kind, body, identity.fingerprint).hex()}
        for name, (signer, kind, body) in bodies.items()
    }
    made["receipt"] |= {"digests": [digest.hex()]}
    made["hold"] |= {"epochs": [identity.epoch.hex()]}
    return {**made}


def _up(identity: epoch.EpochIdentity, box: Ed25519PrivateKey, ranges: list[Range]) -> dict[str, object]:
    """What a box says of itself."""
    beat = Heartbeat(
        store="0214", box="box-1", session=7, seq=3, at_us=1_795_167_060_000_000, version="0.1.0",
        stream=identity.stream, epoch=identity.epoch, boot=identity.boot,
        lanes=(LaneState(2, 2, 0, 0), LaneState(1, 0, 1, 60), LaneState()), full=True,
        devices=(DeviceState("door-1", "hikvision-count", "up", 4, None, 120),),
    )  # fmt: skip
    bodies: dict[str, tuple[Body, dict[str, object]]] = {
        "heartbeat": (beat, {"session": 7, "seq": 3, "accepted": [2, 1, 0]}),
        "will": (Will("0214", "box-1", 7), {"session": 7}),
        "answer_to_order": (Answer("0214", "box-1", 12, (1, 2), done=False, why="disk full"), {}),
        "answer_to_resend": (Answer("0214", "box-1", 13, not_held=tuple(ranges)), {}),
    }
    return {name: {"bytes": heartbeat.sign(body, box).hex(), **about} for name, (body, about) in bodies.items()}


if __name__ == "__main__":
    main()
