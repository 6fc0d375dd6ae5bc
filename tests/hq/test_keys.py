from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import Kind, Receipt, open_envelope
from cloud_sync.wire.reader import WireError
from hq import keys
from hq.data import Data, DataError

FINGERPRINT = bytes(32)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    data = Data(tmp_path / "hq")
    keys.ensure(data)
    return data


def content(data: Data) -> dict[str, bytes]:
    return {str(path.relative_to(data.root)): path.read_bytes() for path in data.root.rglob("*") if path.is_file()}


def test_a_box_that_pins_the_root_believes_a_receipt(data: Data) -> None:
    """An envelope of the receipt key opens with nothing but the root's public key."""
    ring = keys.load(data)
    sealed = ring.receipts.seal(Kind.RECEIPT, Receipt(0, bytes(16)), FINGERPRINT)
    envelope = open_envelope(sealed, keys.public_key(data.keys / "root.pub"), FINGERPRINT, 0)

    assert envelope is not None
    assert envelope.certificate.usage is Usage.RECEIPTS
    assert ring.operations.certificate.usage is Usage.OPERATIONS


def test_serials_tell_the_keys_apart(data: Data) -> None:
    """Every certified key has a serial of its own, so that the root can end one and spare the other."""
    ring = keys.load(data)

    assert ring.receipts.certificate.serial != ring.operations.certificate.serial


def test_what_is_sealed_to_headquarters_opens_with_its_keyring(data: Data) -> None:
    """The announced sealing key has its private half in the ring, found by the id that headers carry."""
    ring = keys.load(data)
    sealed = ring.sealing.seal(b"secret", b"info")

    assert ring.opening[ring.sealing.key_id].open(sealed, b"info") == b"secret"


def test_the_escrow_key_opens_and_is_kept_offline(data: Data) -> None:
    """What is sealed to the escrow key opens with the offline file alone; the daily ring does not hold it."""
    ring = keys.load(data)
    sealed = ring.escrow.seal(b"secret", b"info")

    assert OpeningKey.load(data.offline / "escrow.key").open(sealed, b"info") == b"secret"
    assert ring.escrow.key_id not in ring.opening


def test_a_second_time_changes_nothing(data: Data) -> None:
    """Making the keys again keeps every byte."""
    before = content(data)
    keys.ensure(data)

    assert content(data) == before


def test_daily_work_needs_no_offline_key(data: Data) -> None:
    """With offline/ moved away the keyring loads and nothing is made anew."""
    shutil.rmtree(data.offline)
    before = content(data)
    keys.ensure(data)

    assert content(data) == before
    assert keys.load(data).receipts.certificate.serial == 1


def test_an_interrupted_making_goes_on(data: Data) -> None:
    """What a crash left out is made at the next time, under the same root."""
    root = (data.keys / "root.pub").read_bytes()
    for name in ("operations.cert", "seal.pub", "pseudonym.key"):
        (data.keys / name).unlink()
    keys.ensure(data)

    assert (data.keys / "root.pub").read_bytes() == root
    assert keys.load(data).operations.certificate.usage is Usage.OPERATIONS


def test_a_new_signing_key_takes_the_root(data: Data) -> None:
    """Without the root's private key nothing is certified, and the error says which file is wanted."""
    (data.keys / "receipt.cert").unlink()
    shutil.rmtree(data.offline)

    with pytest.raises(DataError, match=r"offline/root\.key is missing"):
        keys.ensure(data)


def test_a_retired_sealing_key_still_opens(data: Data) -> None:
    """Every seal-*.key in the ring opens, also one that is announced no longer."""
    retired = OpeningKey.generate()
    retired.save(data.keys / f"seal-{retired.public.key_id.hex()}.key")
    opening = keys.load(data).opening

    assert len(opening) == 2
    assert opening[retired.public.key_id] == retired


def test_a_certificate_of_another_root_is_refused(data: Data, tmp_path: Path) -> None:
    """A signing key that another root certified does not enter the ring."""
    other = Data(tmp_path / "other")
    keys.ensure(other)
    for ending in ("key", "cert"):
        shutil.copy(other.keys / f"receipt.{ending}", data.keys)

    with pytest.raises(WireError, match="not signed by the pinned root"):
        keys.load(data)


def test_a_certificate_without_its_key_is_refused(data: Data) -> None:
    """A certificate that belongs to another key is told apart from the key's own."""
    shutil.copy(data.keys / "operations.cert", data.keys / "receipt.cert")

    with pytest.raises(DataError, match="of another key"):
        keys.load(data)


def test_a_damaged_key_says_which_file(data: Data) -> None:
    """A key file that is no key names itself and the remedy."""
    (data.keys / "receipt.key").write_bytes(b"not a key")

    with pytest.raises(DataError, match=r"receipt\.key.*restore it from a backup"):
        keys.load(data)


def test_everything_is_private(data: Data) -> None:
    """Directories are 0700 and files 0600."""
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in data.root.rglob("*")}

    assert modes == {(True, 0o700), (False, 0o600)}
