"""Changing keys: what boxes believe before, during and after, also those that slept through it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud_sync.uplink.hearing import Hearing, Pin
from cloud_sync.wire.downlink import Kind, Receipt, Succession
from hq import keys, rotation
from hq.cli import main
from hq.data import Data, DataError, Failure, Settings, private_directory

FINGERPRINT = bytes(32)
RECEIPT = Receipt(0, bytes(16))


@pytest.fixture
def data(tmp_path: Path) -> Data:
    data = Data(private_directory(tmp_path / "hq"))
    data.save(Settings(("localhost",), "127.0.0.1", 1, 2, 3, 4))
    keys.ensure(data)
    return data


def root(data: Data) -> Path:
    return data.offline / "root.key"


def box(data: Data) -> Hearing:
    """One that pins what headquarters' bundle says today."""
    return Hearing(Pin(pinned(data), FINGERPRINT, 1))


def pinned(data: Data) -> Ed25519PublicKey:
    return keys.public_key(data.keys / "root.pub")


def receipt(data: Data) -> bytes:
    return keys.load(data).receipts.seal(Kind.RECEIPT, RECEIPT, FINGERPRINT)


def succession(data: Data) -> bytes:
    ring = keys.load(data)
    return ring.receipts.seal(Kind.SUCCESSION, Succession(0, b"".join(link.raw for link in ring.links)), FINGERPRINT)


def believes(hearing: Hearing, raw: bytes) -> bool:
    envelope = hearing.open(raw)
    if envelope is not None:
        hearing.learn(envelope)
    return envelope is not None


def test_a_new_signer_is_believed_at_once(data: Data) -> None:
    """Its serial is above every other; what the old key signs is believed too, until the lowest is raised."""
    old, hearing = receipt(data), box(data)
    assert rotation.new_signer(data, "receipt", 0, root(data)).serial == 3
    assert rotation.new_signer(data, "operations", 7, root(data)).serial == 8
    assert believes(hearing, receipt(data))
    assert believes(hearing, old)


def test_the_lowest_serial_ends_older_keys_for_ever(data: Data) -> None:
    """Once a box heard of it, a key below it is refused, whatever its certificate says."""
    old, hearing = receipt(data), box(data)
    with pytest.raises(Failure, match="renew it first: edge-hq keys new-signer receipt"):
        rotation.raise_lowest(data, 3, root(data))
    for name in ("receipt", "operations"):
        rotation.new_signer(data, name, 0, root(data))
    rotation.raise_lowest(data, 3, root(data))
    assert believes(hearing, receipt(data))
    assert not believes(hearing, old)
    with pytest.raises(Failure, match="cannot be taken back"):
        rotation.raise_lowest(data, 2, root(data))


def test_a_box_that_slept_through_everything_understands(data: Data) -> None:
    """Two new roots, new signers, a raised lowest serial: one succession leads it to all of it."""
    hearing, newest = box(data), root(data)
    stolen = receipt(data)
    for _ in range(2):
        newest = rotation.succeed_root(data, newest)
        for name in ("receipt", "operations"):
            rotation.new_signer(data, name, 0, newest)
    rotation.raise_lowest(data, 5, newest)

    assert not believes(hearing, receipt(data)), "it cannot know the new root yet"
    assert believes(hearing, succession(data))
    assert believes(hearing, receipt(data))
    assert not believes(hearing, stolen)
    assert believes(box(data), succession(data)), "a box that pins the newest root hears it too"
    assert believes(box(data), receipt(data))


def test_a_root_that_nobody_named_leads_nowhere(data: Data, tmp_path: Path) -> None:
    """Links that another root signed change nothing, in whatever order they come."""
    other = Data(private_directory(tmp_path / "thief"))
    keys.ensure(other)
    rotation.succeed_root(other, root(other))
    hearing = box(data)
    assert not believes(hearing, succession(other))
    assert believes(hearing, receipt(data))


def test_an_interrupted_succession_goes_on(data: Data) -> None:
    """Whatever file was the last one written, running it again ends with one successor and a ring that loads."""
    hearing, before = box(data), (data.keys / "root.pub").read_bytes()
    certificates = {name: (data.keys / name).read_bytes() for name in ("receipt.cert", "operations.cert")}
    first = rotation.succeed_root(data, root(data))
    (data.keys / "root.pub").write_bytes(before)
    (data.keys / "operations.cert").write_bytes(certificates["operations.cert"])
    assert rotation.succeed_root(data, root(data)) == first
    assert len(keys.load(data).links) == 1
    assert believes(hearing, succession(data))
    with pytest.raises(DataError, match="not the root that boxes pin now"):
        rotation.succeed_root(data, root(data))


def test_a_sealing_key_is_announced_after_its_backup_opened(data: Data, tmp_path: Path) -> None:
    """Without a copy, with another key's copy, it is not; with it boxes seal to it, and the old one still opens."""
    old = keys.load(data).sealing
    fresh = rotation.new_sealing(data).hex()
    assert keys.load(data).sealing == old
    copy = tmp_path / "copy"
    with pytest.raises(Failure, match="holds no copy"):
        rotation.announced(data, fresh, copy)
    copy.write_bytes((data.keys / f"seal-{old.key_id.hex()}.key").read_bytes())
    with pytest.raises(Failure, match="does not open"):
        rotation.announced(data, fresh, copy)
    assert keys.load(data).sealing == old

    copy.write_bytes((data.keys / f"seal-{fresh}.key").read_bytes())
    recipients = rotation.announced(data, fresh, copy)
    ring = keys.load(data)
    assert [ring.sealing, ring.escrow] == recipients
    assert ring.sealing.key_id.hex() == fresh
    assert ring.opening[old.key_id].open(old.seal(b"old records", b""), b"") == b"old records"


def test_the_commands_say_what_they_did(data: Data, capsys: pytest.CaptureFixture[str]) -> None:
    """By name as people type them: list shows public halves alone."""
    where = ["--data", str(data.root)]
    assert main(["keys", "new-signer", *where, "receipt"]) == 0
    assert "serial 3" in capsys.readouterr().out
    assert main(["keys", "raise-lowest", *where, "3"]) == 1
    assert main(["keys", "succeed-root", *where]) == 0
    assert "root-1.key" in capsys.readouterr().out
    assert main(["keys", "new-signer", *where, "receipt"]) == 78, "the old root signs no more"
    assert main(["keys", "new-sealing", *where]) == 0
    capsys.readouterr()
    assert main(["keys", "list", *where, "--json"]) == 0
    out = capsys.readouterr().out
    listed = json.loads(out)
    assert [one["key"] for one in listed] == ["root", "receipt", "operations", "sealing", "sealing", "escrow"]
    assert [one["state"].split(":")[0] for one in listed if one["key"] == "sealing"] == ["announced", "opens only"]
    secret = (data.keys / f"seal-{listed[3]['id']}.key").read_text().splitlines()[1]
    assert secret not in out
