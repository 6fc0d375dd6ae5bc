"""A second file on another medium: kept up, told about, and taken over when the first is gone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge_agent.buffer import BufferError
from edge_agent.buffer.mirror import Change, Mirror, Piece
from edge_agent.buffer.salvage import salvage
from edge_agent.recorder.desk import Submission
from edge_agent.recorder.mirroring import FILE as MIRROR
from edge_agent.recorder.opening import FILE
from records import Record
from records.types import Loss, StreamOpen
from tests.edge_agent.boxes import TestBox, some_records
from tests.edge_agent.mirrored import COUNT, Late, content, of, running, told
from tests.edge_agent.test_buffer_damage import damage, health
from tests.edge_agent.test_recorder import until


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The first medium and the second."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    return tmp_path / "first", tmp_path / "second"


def test_the_mirror_has_what_the_buffer_has(folders: tuple[Path, Path]) -> None:
    """After a clean end both files hold the same, whatever happened to it: accepted, cut, receipted, started anew."""
    box = TestBox()
    for life in range(3):
        with running(*folders, box) as agent:
            agent.submit(some_records(COUNT, seed=life))
            parcels = agent.desk.parcels(frozenset(), 3)
            agent.desk.receipted(tuple(parcel.prefix for parcel in parcels))
            agent.submit(some_records(COUNT, seed=10 + life))
            until(agent.in_step, "the mirror")

    assert content(folders[0] / FILE) == content(folders[1] / MIRROR)
    assert content(folders[0] / FILE)["outbox"]


def test_what_is_recorded_last_is_in_the_mirror_too(folders: tuple[Path, Path]) -> None:
    """The recorder commits and ends between the mirror's look into its queue and its look whether all has ended."""
    box, stop = TestBox(), Late()

    def end() -> None:
        agent.submit(some_records(10, seed=2))
        agent.recorder.stop()
        until(agent.desk.closed.is_set, "the recorder to end")

    with running(*folders, box, stop) as agent:
        agent.submit(some_records(COUNT))
        until(agent.in_step, "the mirror")
        stop.ends = end
        assert stop.wait(60)

    assert agent.in_step()
    assert content(folders[0] / FILE) == content(folders[1] / MIRROR)


def test_a_buffer_that_was_there_before_its_mirror_is_copied(folders: tuple[Path, Path]) -> None:
    """A mirror that is set up later gets all that is held, while records go on coming."""
    box = TestBox()
    with running(folders[0], folders[0] / "absent", box) as agent:
        agent.submit(some_records(COUNT))
    with running(*folders, box) as agent:
        agent.submit(some_records(COUNT, seed=2))
        until(agent.in_step, "the mirror")

    assert content(folders[0] / FILE) == content(folders[1] / MIRROR)


@pytest.mark.parametrize("cut", [True, False])
def test_a_lost_first_medium_is_taken_over_from_the_mirror(folders: tuple[Path, Path], cut: bool) -> None:
    """What was in step is all there, once, in a new stream that says why; the old stream does not go on."""
    box, made = TestBox(), some_records(COUNT)
    with running(*folders, box) as agent:
        agent.submit(made)
        if cut:
            agent.read(TestBox(box.hq, box.key))
        until(agent.in_step, "the mirror")
        stream = agent.recorder.status().stream
    for file in folders[0].iterdir():
        file.unlink()

    with running(*folders, box) as agent:
        assert agent.reason == "restored"
        assert agent.recorder.status().stream != stream
        more = some_records(20, seed=5)
        agent.submit(more)
        found = agent.read(box)
        until(agent.in_step, "the new mirror")

    assert (of(found, made), of(found, more)) == (COUNT, 20)
    opened = [record.data for record in found if isinstance(record.data, StreamOpen)]
    assert [(said.reason, said.previous) for said in opened][-1] == ("restored", stream.hex())
    assert not [record for record in found if isinstance(record.data, Loss)]
    assert content(folders[0] / FILE) == content(folders[1] / MIRROR)
    assert list(folders[1].glob(f"{MIRROR}.damaged-*")), "the old mirror was deleted"


def test_what_a_damaged_file_lost_is_taken_from_the_mirror(folders: tuple[Path, Path]) -> None:
    """Half of the first file's pages are trashed, and nothing is missing."""
    box, made = TestBox(), some_records(COUNT)
    with running(*folders, box) as agent:
        agent.submit(made)
        until(agent.in_step, "the mirror")
    for page in range(2, (folders[0] / FILE).stat().st_size // 4096, 2):
        damage(folders[0] / FILE, page, Random(page))
    alone = salvage(folders[0] / FILE, box.seal.public)
    assert len(alone.rows) + sum(batch.last - batch.first + 1 for batch in alone.batches) < COUNT

    with running(*folders, box) as agent:
        found = agent.read(box)

    assert of(found, made) == COUNT
    assert told(found)[-1] == "salvaged"
    assert not [record for record in found if isinstance(record.data, Loss)]


def test_damage_found_while_running_is_filled_from_the_mirror(folders: tuple[Path, Path]) -> None:
    """The recorder salvages both and goes on; the mirror follows the new file."""
    box = TestBox()
    with running(*folders, box) as agent:
        agent.submit([health(n) for n in range(COUNT)])
        until(agent.in_step, "the mirror")
        agent.desk.ask(lambda buffer: buffer._db.all("PRAGMA wal_checkpoint(TRUNCATE)"))
        for page in range(2, (folders[0] / FILE).stat().st_size // 4096):
            damage(folders[0] / FILE, page, Random(page))
        agent.desk.ask(lambda buffer: buffer._db.all("PRAGMA cache_size=0"))
        agent.submit([health(n) for n in range(COUNT, 2 * COUNT)])
        until(agent.in_step, "the new mirror")
        found = agent.read(box)

    assert {record.data.reason for record in found} >= {str(n) for n in range(2 * COUNT)}
    assert list(folders[0].glob(f"{FILE}.damaged-*"))
    assert content(folders[0] / FILE) == content(folders[1] / MIRROR)


def test_an_absent_medium_never_holds_up_accepting(folders: tuple[Path, Path]) -> None:
    """It is told to be away; once it is back the mirror is what the buffer is."""
    box, (first, second) = TestBox(), folders
    second.rmdir()
    with running(first, second, box) as agent:
        until(lambda: agent.mirroring.standing().state == "away", "the mirror to be away")
        agent.submit(some_records(COUNT))
        away = agent.mirroring.standing()
        assert away.behind > 0
        assert "is the medium mounted" in (away.reason or "")
        second.mkdir()
        until(agent.in_step, "the mirror")

    assert content(first / FILE) == content(second / MIRROR)


def test_more_than_memory_should_hold_is_compared_instead(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the medium is away nothing piles up in memory, and nothing is missing afterwards."""
    monkeypatch.setattr("edge_agent.recorder.mirroring.MOST", 20_000)
    box, (first, second) = TestBox(), folders
    second.rmdir()
    with running(first, second, box) as agent:
        agent.submit(some_records(COUNT))
        assert len(agent.mirroring._queue) == 0
        second.mkdir()
        agent.submit(some_records(COUNT, seed=3))
        until(agent.in_step, "the mirror")

    assert content(first / FILE) == content(second / MIRROR)


def test_an_old_image_of_the_first_medium_does_not_give_its_numbers_again(folders: tuple[Path, Path]) -> None:
    """A buffer that is behind its mirror was restored from an image: a new stream takes in what both have, and no
    cursor and no counter goes back."""
    box, made = TestBox(), some_records(2 * COUNT)
    with running(*folders, box) as agent:
        agent.submit(made[:COUNT])
        agent.keep(1)
        until(agent.in_step, "the mirror")
    image = (folders[0] / FILE).read_bytes()
    with running(*folders, box) as agent:
        agent.submit(made[COUNT:])
        agent.keep(2)
        until(agent.in_step, "the mirror")
    (folders[0] / FILE).write_bytes(image)

    with running(*folders, box) as agent:
        assert agent.reason == "re-imaged"
        found = agent.read(box)
        kept = agent.desk.ask(lambda buffer: (buffer.state("folder-1"), buffer.view().facts["lowest_serial"]))

    assert of(found, made) == 2 * COUNT
    assert kept == ({"at": b"2"}, 2)


def test_a_mirror_of_another_stream_is_kept(folders: tuple[Path, Path]) -> None:
    """A medium that comes back after a box was set up anew may hold the only copy: it is set aside."""
    box = TestBox()
    with running(*folders, box) as agent:
        agent.submit(some_records(COUNT))
        until(agent.in_step, "the mirror")
    old = (folders[1] / MIRROR).rename(folders[1] / "kept.db")
    for file in folders[0].iterdir():
        file.unlink()
    with running(*folders, box) as agent:
        until(agent.in_step, "the mirror")
    old.rename(folders[1] / MIRROR)
    before = content(folders[1] / MIRROR)

    with running(*folders, box) as agent:
        until(agent.in_step, "a new mirror")

    asides = [content(aside) for aside in folders[1].glob(f"{MIRROR}.damaged-*[0-9]")]
    assert before in asides


def test_a_mirror_put_in_the_place_of_the_buffer_does_not_go_on_as_it(folders: tuple[Path, Path]) -> None:
    """Copied there by hand it is salvaged, and a new stream begins: it may lack the last numbers that were given."""
    box, made = TestBox(), some_records(COUNT)
    with running(*folders, box) as agent:
        agent.submit(made)
        until(agent.in_step, "the mirror")
        stream = agent.recorder.status().stream
    (folders[0] / FILE).write_bytes((folders[1] / MIRROR).read_bytes())

    with running(*folders, box) as agent:
        assert agent.recorder.status().stream != stream
        found = agent.read(box)

    assert of(found, made) == COUNT


def test_killed_at_any_moment_the_mirror_can_be_taken_over(folders: tuple[Path, Path]) -> None:
    """Processes are killed while they record; then the first medium is lost. What was in step at some time is there."""
    box = TestBox()
    made = some_records(4 * COUNT)
    certain = 0
    for life in range(4):
        certain += _killed(folders, box, made[life * COUNT : (life + 1) * COUNT])
    for file in folders[0].iterdir():
        file.unlink()

    with running(*folders, box) as agent:
        found = agent.read(box)

    assert certain >= 4 * (COUNT // 2)
    assert all(record in found for life in range(4) for record in made[life * COUNT :][: COUNT // 2])


def _killed(folders: tuple[Path, Path], box: TestBox, made: list[Record]) -> int:
    """A process that dies with half of the records in step and the others on their way; how many are in step."""
    half = len(made) // 2
    read, write = os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException), running(*folders, box) as agent:
            agent.submit(made[:half])
            until(agent.in_step, "the mirror")
            for record in made[half:]:
                agent.desk.submit(Submission(record.device, [record], [None], {}))
            os.write(write, b"1")
            os._exit(9)  # no thread ends in order
        os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        assert said.read() == b"1"
    os.waitpid(child, 0)
    return half


class Flaky(Mirror):
    """A medium that fails at some of its commits, before or after they are there."""

    chance = 0.0
    failed = 0
    random = Random(11)

    def follow(self, changes: Iterable[Change]) -> None:
        self._fail()
        super().follow(changes)
        self._fail()

    def put(self, piece: Piece) -> None:
        self._fail()
        super().put(piece)

    def take(self, batches: Sequence[Any]) -> None:
        super().take(batches)
        self._fail()

    @classmethod
    def _fail(cls) -> None:
        if cls.random.random() < cls.chance:
            cls.failed += 1
            raise BufferError("the medium says no")


def test_a_medium_that_fails_now_and_then_ends_in_step(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever commit of the mirror failed, there or not, it is the same as the buffer in the end."""
    monkeypatch.setattr("edge_agent.recorder.mirroring.Mirror", Flaky)
    monkeypatch.setattr("edge_agent.recorder.mirroring._RETRY_S", (0.01,))
    monkeypatch.setattr("edge_agent.recorder.mirroring.GROUP", 3)
    monkeypatch.setattr("edge_agent.recorder.mirroring.MOST", 200_000)
    box, random = TestBox(), Random(12)
    Flaky.chance, Flaky.failed = 0.15, 0
    for life in range(2):
        with running(*folders, box) as agent:
            for step in range(25):
                agent.submit(some_records(30, seed=100 * life + step))
                if random.random() < 0.3:
                    parcels = agent.desk.parcels(frozenset(), 5)
                    agent.desk.receipted(tuple(parcel.prefix for parcel in parcels))
            until(agent.in_step, "the mirror")
            if life:
                Flaky.chance = 0.0  # what fails at the end is made good at the next start
                until(agent.in_step, "the mirror")

    assert Flaky.failed > 5
    assert content(folders[0] / FILE) == content(folders[1] / MIRROR)
