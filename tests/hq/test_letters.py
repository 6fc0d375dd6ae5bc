"""Dead letters by command: looked at, tried again, thrown away."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from cloud_sync.ingest.work import Letter, Sender, Work
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire.topics import Address, Up
from hq.cli import main
from hq.data import Data
from hq.headquarters import database
from tests.cloud_sync.ingest.box import NOW, Box, weigh
from tests.hq.warehouse.houses import PostgresHouse, work


@pytest.fixture
def house(own: Data, box: Box) -> PostgresHouse:
    return PostgresHouse(database(own).dsn(), [box])


def letter(box: Box, what: Up, payload: bytes, reason: str = "as an older release saw it") -> Letter:
    topic = Address("se", box.store, box.name).up(what)
    return Letter(
        Sender(box.store, box.name, b""), sha256(payload).digest(), topic, reason, payload, refused=True, sealed=True
    )


def put(house: PostgresHouse, *letters: Letter) -> None:
    house.port.commit(Work(NOW, letters))


def run(own: Data, *args: str) -> int:
    return main(["dead-letters", args[0], "--data", str(own.root), *args[1:]])


def printed(own: Data, capsys: pytest.CaptureFixture[str], *args: str) -> Any:
    capsys.readouterr()
    run(own, *args, "--json")
    return json.loads(capsys.readouterr().out)


def test_a_batch_whose_header_comes_is_stored_exactly_once(
    own: Data, house: PostgresHouse, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the header it stays and says why; after it every record is stored, and never again."""
    batch = box.batch(weigh(10))
    put(house, letter(box, Up.BATCH, batch))
    assert run(own, "redrive") == 1
    assert "stays: not yet: unknown epoch" in capsys.readouterr().out

    house.port.commit(work(box))
    assert printed(own, capsys, "redrive") == [{"id": 1, "stored": 10, "left": ""}]
    assert house.port.commit(work(box, batch)).stored == 0
    assert len(house.records()) == 10
    assert run(own, "redrive", "1") == 1
    assert "was redriven; nothing is left of it" in capsys.readouterr().err
    assert printed(own, capsys, "list") == []


def test_what_the_box_sent_again_meanwhile_is_not_doubled(
    own: Data, house: PostgresHouse, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    """A letter whose numbers were stored another way is settled and brings what is left of them."""
    records = weigh(10)
    put(house, letter(box, Up.BATCH, box.batch(records)))
    house.port.commit(work(box, box.batch(records[:4], 1)))
    assert printed(own, capsys, "redrive", "1") == [{"id": 1, "stored": 6, "left": ""}]
    assert len(house.records()) == 10


def test_a_header_opens_once_its_key_is_there(
    own: Data, house: PostgresHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    """A header that none of the keys opened is taken after the retired key was brought back."""
    retired = OpeningKey.generate()
    box = Box(name="box-2", recipient=retired.public)
    PostgresHouse(database(own).dsn(), [box])
    batch = box.batch(weigh(5))
    put(house, letter(box, Up.EPOCH, box.header.raw))
    put(house, letter(box, Up.BATCH, batch))
    assert run(own, "redrive") == 1
    assert "sealed to none of our keys" in capsys.readouterr().out

    retired.save(own.keys / f"seal-{retired.public.key_id.hex()}.key")
    assert printed(own, capsys, "redrive", "1") == [{"id": 1, "stored": 0, "left": ""}]
    assert printed(own, capsys, "redrive") == [{"id": 2, "stored": 5, "left": ""}]
    assert len(house.records()) == 5


def test_what_is_rotten_stays_until_it_is_thrown_away(
    own: Data, house: PostgresHouse, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed batch never becomes good; thrown away it loses its bytes, and the audit says who and why."""
    batch = bytearray(box.batch(weigh(10)))
    batch[-1] ^= 1
    house.port.commit(work(box))
    put(house, letter(box, Up.BATCH, bytes(batch)))
    assert printed(own, capsys, "redrive")[0]["left"].startswith("batch: changed since it was sealed")

    assert run(own, "discard", "1", "--why", "bad disk in store 0214") == 0
    shown = printed(own, capsys, "show", "1")
    assert (shown["settled"], shown["bytes"], shown["tries"]) == ("discarded", 0, 2)
    ((actor, action, why),) = house.rows(
        "SELECT actor, action, detail->>'why' FROM audit_hq WHERE action LIKE '%discarded'"
    )
    assert (bool(actor), action, why) == (True, "dead-letter discarded", "bad disk in store 0214")
    assert run(own, "discard", "1", "--why", "again") == 1
    put(house, letter(box, Up.BATCH, bytes(batch)))
    assert [one["id"] for one in printed(own, capsys, "list")] == [1], "it came again"


def test_a_letter_tells_which_numbers_it_holds(
    own: Data, house: PostgresHouse, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list and one letter, for people and as JSON; never what is sealed."""
    put(house, letter(box, Up.BATCH, box.batch(weigh(10)), "cut off"))
    assert run(own, "list") == 0
    assert capsys.readouterr().out.split("\t")[2:] == ["0214", "box-1", "seen 1x, tried 0x", "cut off\n"]
    shown = printed(own, capsys, "show", "1")
    assert {"lane": "normal", "first": 1, "last": 10}.items() <= shown.items()
    assert "payload" not in shown
    assert printed(own, capsys, "list", "--store", "0999") == []
    assert run(own, "show", "7") == 1
    assert "no dead letter 7" in capsys.readouterr().err
