"""`edge-agent buffer`: the same answers from a running agent and from the file, and words where there are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import export as wire
from config import load
from edge_agent import cli
from edge_agent.buffer import Buffer
from edge_agent.buffer_answers import BufferAnswers, limits_of
from edge_agent.clock import SystemClock
from edge_agent.exits import Exit
from edge_agent.lock import alone_in
from edge_agent.recorder.desk import Desk, Submission
from edge_agent.recorder.messages import Flush
from edge_agent.recorder.opening import FILE
from edge_agent.window import Window
from records import Lane, Record
from tests.config.least import WHOLE
from tests.edge_agent.boxes import TestBox, some_records
from tests.edge_agent.test_buffer_damage import at_rest, damage
from tests.edge_agent.test_recorder import Bench, accept, drained, running, until

COUNT = 400


@dataclass
class Store:
    """A store's configuration with a buffer of its box."""

    folder: Path
    box: TestBox
    capture: pytest.CaptureFixture[str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def config(self) -> Path:
        return self.folder / "store.yaml"

    def says(self, *words: str) -> str:
        """What a command that is done prints."""
        code = cli.main(["buffer", words[0], "-c", str(self.config), *words[1:]])
        said = self.capture.readouterr()
        assert code == Exit.DONE, said.err
        return said.out

    def fails(self, *words: str) -> str:
        """Everything that a command that fails prints."""
        assert cli.main(["buffer", words[0], "-c", str(self.config), *words[1:]]) == Exit.FAILED
        said = self.capture.readouterr()
        return said.out + said.err

    def asked(self, *words: str) -> dict:
        return json.loads(self.says(*words, "--json"))

    def fill(self, folder: Path, *, cut: bool = False, seed: int = 1) -> list[Record]:
        """A closed buffer with records."""
        made = some_records(COUNT, seed)
        bench = Bench(folder, self.box)
        bench.step(accept(made))
        bench.step(Flush())
        if cut:
            drained(bench)
        bench.buffer.close()
        return made


@pytest.fixture
def store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Store:
    box, keys = TestBox(), tmp_path / "keys"
    keys.mkdir()
    (tmp_path / "data").mkdir()
    pem = serialization.Encoding.PEM
    plain = (pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (keys / "box.key").write_bytes(box.key.private_bytes(*plain))
    public = Ed25519PrivateKey.generate().public_key()
    (keys / "hq-root.pem").write_bytes(public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    box.hq.public.save(keys / "hq.pub")
    (keys / "pseudonym.key").write_bytes(bytes(32))
    (tmp_path / "store.yaml").write_text(WHOLE.replace("/keys/", "keys/").replace("store-1", '"0214"'))
    return Store(tmp_path, box, capsys)


@contextmanager
def agent(store: Store) -> Iterator[Desk]:
    """A running recorder behind a window, as in the daemon."""
    with alone_in(store.data), running(store.data, store.box) as (desk, recorder):
        key, limits = store.box.seal.public, limits_of(load(store.config).buffer)
        answers = BufferAnswers(desk.ask, "0214", "box-1", key, limits, SystemClock(), 60.0, lambda: None, lambda: None)
        window = Window(store.data, answers.all)
        window.start()
        until(lambda: at_rest(desk, recorder), "everything to be cut")
        yield desk
        window.shutdown()
        window.server_close()


def test_status_tells_what_is_held(store: Store) -> None:
    """Numbers of every lane, what is unsent, and how much room there is, without an agent and with one."""
    store.fill(store.data)
    closed = store.asked("status")
    with agent(store):
        live = store.asked("status")

    accepted = {name: lane["accepted"] for name, lane in closed["lanes"].items()}
    assert sum(accepted.values()) == COUNT + 1
    assert sum(lane["rows"] for lane in closed["lanes"].values()) == COUNT + 1
    assert sum(lane["records"] for lane in live["lanes"].values()) == COUNT + 1
    assert sum(lane["rows"] for lane in live["lanes"].values()) == 0
    assert (live["epochs"], live["headers_unsent"], live["stream"]) == (2, 2, closed["stream"])
    assert live["budget"] == 2048 * 2**20
    assert live["hours_left"] > 0
    assert live["room"] < live["budget"]


def test_status_in_words_names_the_lanes_and_the_stream(store: Store) -> None:
    """Without --json it is lines for people."""
    store.fill(store.data)
    said = store.says("status")

    assert all(name in said for name in ("vital", "normal", "bulk", "grace", "SQLite"))
    assert store.asked("status")["stream"] in said


def test_verify_finds_nothing_in_a_whole_buffer(store: Store) -> None:
    """Rows, batches and headers are counted, with an agent running and without."""
    store.fill(store.data)
    closed = store.asked("verify")
    with agent(store):
        live = store.asked("verify")

    assert closed == {"rows": COUNT + 1, "batches": 0, "headers": 1, "complete": True, "flaws": [], "whole": True}
    assert (live["rows"], live["headers"], live["whole"], live["complete"]) == (0, 2, True, True)
    assert live["batches"] > 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE journal SET sealed = zeroblob(60) WHERE id = 5", "row: vital 5: its checksum"),
        ("DELETE FROM journal WHERE id BETWEEN 3 AND 4", "row: vital 3 to 4: missing"),
        ("DELETE FROM journal WHERE id = (SELECT max(id) FROM journal)", "missing"),
        ("UPDATE header_b SET raw = zeroblob(9)", "header: copy b of epoch 1: rot"),
        ("DELETE FROM header_c", "header: copy c of epoch 1: missing"),
        ("UPDATE header_a SET raw = 'text'", "header: copy a of epoch 1: rot"),
        ("UPDATE journal SET id = id + (5 << 56) WHERE id = 5", "row: 360287970189639685: of no lane"),
        ("UPDATE journal SET type = 'text' WHERE id = 5", "row: vital 5: its checksum"),
        ("UPDATE outbox SET payload = 'text' WHERE id = 1", "batch: lane "),
        ("UPDATE outbox SET payload = zeroblob(90) WHERE id = 1", "batch: lane "),
        ("UPDATE outbox SET first = first + 1 WHERE id = 1", "batch: lane "),
    ],
)
def test_verify_names_what_is_damaged(store: Store, change: str, named: str) -> None:
    """Each kind of damage by its place; the exit code says that there is some."""
    store.fill(store.data, cut="outbox" in change)
    buffer = Buffer(store.data / FILE)
    buffer._db.all(change)
    buffer.close()

    assert named in store.fails("verify")


def test_rot_in_what_is_counted_ends_no_answer(store: Store) -> None:
    """A running agent goes on, and says what it can."""
    store.fill(store.data, cut=True)
    buffer = Buffer(store.data / FILE)
    buffer._db.all("UPDATE outbox SET oldest_us = 'text', size = zeroblob(3)")
    buffer.close()

    with agent(store) as desk:
        store.asked("status")
        assert desk.ask(lambda buffer: buffer.view().transaction) > 0
        cli.main(["buffer", "export", "-c", str(store.config), str(store.folder / "out.sex")])
        store.capture.readouterr()
        assert desk.ask(lambda buffer: buffer.view().transaction) > 0


def test_verify_names_a_table_that_cannot_be_read(store: Store) -> None:
    """A page that makes no sense ends that table's check, not the command."""
    store.fill(store.data)
    (root,) = pages_of(store.data, "journal")
    damage(store.data / FILE, root, Random(1))

    said = store.fails("verify")

    assert "damaged table: journal" in said
    assert "header" not in said


def pages_of(folder: Path, table: str) -> list[int]:
    buffer = Buffer(folder / FILE)
    found = buffer._db.all("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
    buffer.close()
    return [page for (page,) in found]


@pytest.mark.parametrize("live", [True, False])
def test_export_holds_every_record_that_is_not_sent(store: Store, live: bool) -> None:
    """Headquarters' key opens all of them, under the numbers they were accepted with."""
    made = store.fill(store.data)
    target = store.folder / "out.sex"
    if live:
        with agent(store):
            said = store.asked("export", str(target))
    else:
        said = store.asked("export", str(target))

    assert said["bytes"] == target.stat().st_size
    carried = list(wire.read(BytesIO(target.read_bytes())))
    assert {(each.store, each.box) for each in carried} == {("0214", "box-1")}
    parcels = [Parcel(wire_batch.digest(each.payload), each.what, each.payload) for each in carried]
    found = store.box.read_streams(parcels)
    assert sum(record in found.values() for record in made) == COUNT
    assert "exists" in store.fails("export", str(target))


@pytest.mark.parametrize("live", [True, False])
def test_a_file_that_was_set_aside_is_taken_in(store: Store, live: bool) -> None:
    """Its records go on in the buffer under their own stream, once, however often it is asked."""
    old = store.folder / "old"
    old.mkdir()
    made = store.fill(old, seed=2)
    mine = store.fill(store.data, seed=3)
    aside = str(old / FILE)

    assert store.asked("salvage", "--dry-run", aside)["records"] == COUNT + 1
    if live:
        with agent(store):
            first, second = store.asked("salvage", aside), store.asked("salvage", aside)
    else:
        first, second = store.asked("salvage", aside), store.asked("salvage", aside)

    assert first["taken"] > 0
    assert second["taken"] == 0
    with agent(store) as desk:
        found = store.box.read_streams(desk.parcels(frozenset(), 10_000))
    kept = {key: record for key, record in found.items() if key[0].hex() == first["stream"]}
    assert sum(record in kept.values() for record in made) == COUNT
    assert sum(record in found.values() for record in mine) == COUNT
    assert {lane for _, lane, _ in kept} >= {Lane.VITAL, Lane.NORMAL}
    assert store.asked("status")["earlier_streams"] == {first["stream"]: 1}
    assert store.asked("verify")["whole"]


def test_the_buffer_in_use_is_not_salvaged(store: Store) -> None:
    """Neither by its name nor as a copy: what it holds is there already."""
    store.fill(store.data)
    copy = store.folder / "copy.db"
    copy.write_bytes((store.data / FILE).read_bytes())

    assert "is the buffer in use" in store.fails("salvage", str(store.data / FILE))
    assert "is here already" in store.fails("salvage", str(copy))
    assert "No such file" in store.fails("salvage", str(store.folder / "none.db"))


def test_what_is_missing_is_said_in_words(store: Store) -> None:
    """No buffer yet; an agent that holds the lock and does not answer; a file that is damaged."""
    assert "no buffer at" in store.fails("status")
    store.fill(store.data)
    with alone_in(store.data):
        assert "does not answer" in store.fails("status")
    (store.data / FILE).write_bytes(b"no database at all" * 500)
    assert "the agent sets it aside and salvages it" in store.fails("status")
    assert (store.data / FILE).read_bytes().startswith(b"no database")


def test_an_agent_that_does_not_know_the_question_says_so(store: Store) -> None:
    """A command of another release gets words, not a broken answer."""
    window = Window(store.data, {})
    window.start()
    assert "does not know the question" in store.fails("status")
    window.shutdown()
    window.server_close()


def test_records_go_on_while_the_buffer_is_verified(store: Store) -> None:
    """The recorder commits between two pieces of a check."""
    store.fill(store.data)
    with agent(store) as desk:
        made = some_records(300, seed=9)
        tickets = [desk.submit(Submission(record.device, [record], [None], {})) for record in made]
        assert store.asked("verify")["whole"]
        for ticket in tickets:
            ticket.result(60)
        assert sum(lane["accepted"] for lane in store.asked("status")["lanes"].values()) == COUNT + 301
