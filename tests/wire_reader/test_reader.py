"""docs/wire.md says enough: a reader made from it alone reads every vector."""

from __future__ import annotations

import ast
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.wire_reader import reader

ROOT = Path(__file__).resolve().parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "docs" / "wire-vectors.json").read_text())
BOX = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["keys"]["box_private"])).public_key()
PINNED = Ed25519PublicKey.from_public_bytes(bytes.fromhex(VECTORS["keys"]["root_public"]))
FINGERPRINT = sha256(BOX.public_bytes_raw()).digest()


def raw(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name]["bytes"])


def down(name: str, root: Ed25519PublicKey = PINNED) -> tuple[int, list[Any]]:
    return reader.envelope(raw(name), root, FINGERPRINT, 1)


@pytest.fixture(scope="module")
def epoch() -> tuple[bytes, bytes]:
    """Its id and its key."""
    header = reader.epoch_header(raw("epoch_header"), BOX)
    assert (header["store"], header["box"], header["fingerprint"]) == ("0214", "box-1", FINGERPRINT)
    assert header["epoch"].hex() == VECTORS["epoch_header"]["epoch"]
    (sealed,) = header["sealed"].values()
    private = bytes.fromhex(VECTORS["keys"]["hq_private"])
    return header["epoch"], reader.hpke_open(private, sealed, header["info"])


def test_the_reader_knows_nothing_of_the_product() -> None:
    """It imports libraries alone, so that what it reads is what the document says."""
    tree = ast.parse(Path(reader.__file__).read_text())
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    ours = {"records", "devices", "cloud_sync", "edge_agent", "hq", "config", "simulation", "tests"}
    assert not {name.split(".")[0] for name in names} & ours


@pytest.mark.parametrize("name", ["batch", "rows_batch"])
def test_both_kinds_of_batch_open(epoch: tuple[bytes, bytes], name: str) -> None:
    """Records come out with their number, device, time and fields."""
    found = reader.batch(raw(name), *epoch)
    expected = VECTORS[name]["records"]
    assert [one["seq"] for one in found] == list(range(1, len(expected) + 1))
    assert [one["device"] for one in found] == [one["device"] for one in expected]
    assert [one["data"].keys() for one in found] == [one["data"].keys() for one in expected]
    if name == "batch":
        assert [one["data"]["total"] for one in found] == [one["data"]["total"] for one in expected]


def test_a_changed_batch_does_not_open(epoch: tuple[bytes, bytes]) -> None:
    """The reader really authenticates what it reads."""
    changed = bytearray(raw("batch"))
    changed[-1] ^= 1
    with pytest.raises(InvalidTag):
        reader.batch(bytes(changed), *epoch)


def test_every_kind_of_envelope_is_read() -> None:
    """Receipt, hold, refusal, pace, re-send, command, configuration: each with its fields in their order."""
    assert down("receipt") == (1, [5, bytes.fromhex(VECTORS["receipt"]["digests"][0])])
    assert down("hold") == (2, [6, bytes.fromhex(VECTORS["epoch_header"]["epoch"])])
    kind, (at, digests, why) = down("refusal")
    assert (kind, at, len(digests), why) == (3, 7, 16, "changed since it was sealed")
    assert down("pace") == (4, [8, 20_000, 300])
    stream, epoch_id = (bytes.fromhex(VECTORS["epoch_header"][name]) for name in ("stream", "epoch"))
    assert down("resend") == (5, [9, [[stream, bytes(16), 1, 11, 20], [stream, epoch_id, 0, 3, 3]]])
    assert down("command") == (6, [1, 2, "new-stream", stream])
    assert down("configuration") == (7, [1, 3, "store.yaml", b"store: '0214'\n"])


def test_a_succession_leads_from_the_pinned_root_to_the_last() -> None:
    """Two links; what the last root certified is believed after it, and was not before."""
    kind, (at, links) = down("succession")
    assert (kind, at, len(links)) == (8, 10, 2 * 104)
    last = reader.successor(PINNED, links)
    assert last.public_bytes_raw().hex() == VECTORS["later_root"]
    with pytest.raises(InvalidSignature):
        down("receipt_of_a_later_root")
    assert down("receipt_of_a_later_root", last)[0] == 1


def test_what_a_box_says_is_read() -> None:
    """Heartbeat, last will and both answers."""
    kind, body = reader.said(raw("heartbeat"), BOX)
    assert (kind, body["session"], [lane.get("accepted", 0) for lane in body["lanes"]]) == (1, 7, [2, 1, 0])
    assert reader.said(raw("will"), BOX) == (2, {"store": "0214", "box": "box-1", "session": 7})
    kind, body = reader.said(raw("answer_to_order"), BOX)
    assert (kind, body["order"], body["done"], body["why"]) == (3, [1, 2], False, "disk full")
    kind, body = reader.said(raw("answer_to_resend"), BOX)
    assert [one[2:] for one in body["not_held"]] == [[1, 11, 20], [0, 3, 3]]
    assert "done" not in body


def test_a_carried_file_is_read() -> None:
    """Whose it is, and its parcels in order."""
    assert reader.carried(raw("carried")) == ("0214", "box-1", [(1, b"one"), (2, b"two")])


def test_every_vector_is_read_here() -> None:
    """A vector that nobody but the product reads proves nothing."""
    text = Path(__file__).read_text()
    assert [name for name in VECTORS if f'"{name}"' not in text] == []
