"""docs/wire-vectors.json: what is on the wire today can be read by every later release."""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.epoch_key import EpochKey, open_epoch
from cloud_sync.seal.hpke import OpeningKey, SealError
from cloud_sync.wire import batch, epoch, heartbeat
from cloud_sync.wire.downlink import Hold, Receipt, open_envelope
from cloud_sync.wire.heartbeat import Heartbeat, Will
from cloud_sync.wire.reader import WireError
from records import from_wire, to_json, type_by_id
from tests.cloud_sync.make_vectors import FILE

VECTORS = json.loads(FILE.read_text())
BOX = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["keys"]["box_private"]))
ROOT = Ed25519PublicKey.from_public_bytes(bytes.fromhex(VECTORS["keys"]["root_public"]))
HQ = OpeningKey(bytes.fromhex(VECTORS["keys"]["hq_private"]))
FINGERPRINT = sha256(BOX.public_key().public_bytes_raw()).digest()
OTHER = Ed25519PrivateKey.generate()


def raw(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name]["bytes"])


def opened() -> EpochKey:
    header = epoch.parse(raw("epoch_header"))
    header.verify(BOX.public_key())
    return open_epoch(header, HQ)


def flipped(data: bytes) -> list[bytes]:
    """The bytes with one bit flipped, at every place that matters in turn."""
    places = {*range(min(len(data), 400)), len(data) - 1, len(data) // 2}
    return [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in sorted(places)]


@pytest.mark.parametrize("name", ["batch", "rows_batch"])
def test_a_batch_opens_to_its_records(name: str) -> None:
    """Both kinds of batch open with the key of the epoch's header and print as the vectors say."""
    header, body = batch.parse(raw(name))
    records = [from_wire(type_by_id(kind), plain) for kind, plain in opened().open_batch(header, body, Zstd())]

    assert [json.loads(to_json(record)) for record in records] == VECTORS[name]["records"]


def test_a_receipt_and_a_hold_are_believed() -> None:
    """An envelope of HQ opens on the box that it is for."""
    receipt = open_envelope(raw("receipt"), ROOT, FINGERPRINT, 1)
    hold = open_envelope(raw("hold"), ROOT, FINGERPRINT, 1)

    assert receipt is not None
    assert isinstance(receipt.body, Receipt)
    assert [digest.hex() for digest in receipt.body.each()] == VECTORS["receipt"]["digests"]
    assert hold is not None
    assert isinstance(hold.body, Hold)
    assert [each.hex() for each in hold.body.each()] == VECTORS["hold"]["epochs"]


def test_a_heartbeat_and_a_will_are_believed() -> None:
    """A box's messages open under its key."""
    said, will = (heartbeat.verify(raw(name), BOX.public_key()) for name in ("heartbeat", "will"))

    assert isinstance(said, Heartbeat)
    assert isinstance(will, Will)
    assert [lane.accepted for lane in said.lanes] == VECTORS["heartbeat"]["accepted"]
    assert (said.session, said.seq, will.session) == (7, 3, 7)


def test_any_flipped_bit_of_a_batch_is_noticed() -> None:
    """No byte of a batch, clear or sealed, can change without refusal."""
    key = opened()

    def read(changed: bytes) -> None:
        header, body = batch.parse(changed)
        if header.epoch != key.epoch:
            raise SealError("another epoch's")
        key.open_batch(header, body, Zstd())

    for name in ("batch", "rows_batch"):
        read(raw(name))
        for changed in flipped(raw(name)):
            with pytest.raises((WireError, SealError)):
                read(changed)


def test_any_flipped_bit_of_an_epoch_header_is_noticed() -> None:
    """The box's signature covers every byte of its header."""
    for changed in flipped(raw("epoch_header")):
        with pytest.raises(WireError):
            epoch.parse(changed).verify(BOX.public_key())


def test_any_flipped_bit_of_an_envelope_is_noticed() -> None:
    """HQ's word cannot be changed on its way, nor read by another box, nor come from another root."""
    for changed in flipped(raw("receipt")):
        with suppress(WireError):
            assert open_envelope(changed, ROOT, FINGERPRINT, 1) is None  # a kind of a later release
    for root, fingerprint, lowest in (
        (ROOT, bytes(32), 1),
        (OTHER.public_key(), FINGERPRINT, 1),
        (ROOT, FINGERPRINT, 2),
    ):
        with pytest.raises(WireError):
            open_envelope(raw("receipt"), root, fingerprint, lowest)


def test_any_flipped_bit_of_a_heartbeat_is_noticed() -> None:
    """A box's message holds under its own key alone."""
    for changed in flipped(raw("heartbeat")):
        with pytest.raises(WireError):
            heartbeat.verify(changed, BOX.public_key())
    with pytest.raises(WireError):
        heartbeat.verify(raw("heartbeat"), OTHER.public_key())


def test_an_epoch_opens_for_its_recipients_alone() -> None:
    """Another opening key gets nothing."""
    with pytest.raises(SealError):
        open_epoch(epoch.parse(raw("epoch_header")), OpeningKey.generate())
