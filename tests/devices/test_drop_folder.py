"""A drop folder gives every item of every file once, whatever stops it in between."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, DeviceOffline, Item, Reading, Rejected, Taken
from devices.drop_folder import DropFolder
from devices.options import DropOptions
from records.types import CheckDone


class Lines:
    """A line is a reading; one that begins with `!` is set aside."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._item(line, at) for line in lines]

    def end(self, at: datetime) -> Sequence[Item]:
        return [self._item(self._rest, at)] if self._rest else []

    def _item(self, line: bytes, at: datetime) -> Item:
        if line.startswith(b"!"):
            return Rejected("begins with !", line[:4096], at)
        return Reading(CheckDone(line.decode(), "ok"), at)


def _lines(_name: str) -> Lines:
    return Lines()


class Box:
    """A store's box: what is on its disk, and a driver that a crash takes away."""

    def __init__(self, path: Path, **options: object) -> None:
        self.options = DropOptions.model_validate(
            {"id": "drop", "driver": "lines", "path": path, "settle_s": 0, **options}
        )
        self.state: dict[str, bytes] = {}
        self.accepted: list[str] = []
        self.start()

    def start(self) -> None:
        self.driver = DropFolder(self.options, _lines, Context(state=dict(self.state)))
        self.driver.open()

    def commit(self, items: Iterable[Item]) -> None:
        for item in items:
            self.accepted.append(item.reason if isinstance(item, Rejected) else cast(CheckDone, item.data).item)
            for key, value in item.state.items():
                if value is None:
                    self.state.pop(key, None)
                else:
                    self.state[key] = value

    def drain(self) -> list[Taken]:
        parts = []
        while (taken := self.driver.read(0)).items:
            self.commit(taken.items)
            if taken.confirm:
                taken.confirm()
            parts.append(taken)
        return parts


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last))


def told(first: int, last: int) -> list[str]:
    return [f"line {number}" for number in range(first, last)]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_file_is_given_in_parts_and_then_deleted(tmp_path: Path) -> None:
    """No part is longer than 500 items, and the file goes only after the last part is on disk."""
    (tmp_path / "a.txt").write_bytes(lines(0, 1201))
    box = Box(tmp_path)

    sizes = []
    for _ in range(3):
        assert names(tmp_path) == ["a.txt"]
        taken = box.driver.read(0)
        box.commit(taken.items)
        sizes.append(len(taken.items))
        assert taken.confirm
        taken.confirm()

    assert sizes == [500, 500, 201]
    assert box.accepted == told(0, 1201)
    assert names(tmp_path) == []


def test_files_come_oldest_first_and_the_next_is_given_before_the_first_is_on_disk(tmp_path: Path) -> None:
    """A slow disk does not hold up reading, and each file leaves on its own confirmation."""
    for number, name in enumerate(("c", "a", "b")):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1_700_000_000 + number, 1_700_000_000 + number))
    box = Box(tmp_path)
    first, second, third = (box.driver.read(0) for _ in range(3))
    box.commit([*first.items, *second.items, *third.items])
    assert box.accepted == ["c", "a", "b"]
    assert first.items[0].at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)

    assert second.confirm
    second.confirm()
    assert names(tmp_path) == ["b", "c"]
    assert box.driver.read(0) == Taken()


def test_a_file_that_is_still_written_waits(tmp_path: Path) -> None:
    """Only a file that stayed unchanged for the time set is taken."""
    box = Box(tmp_path, settle_s=3600)
    (tmp_path / "a.txt").write_bytes(lines(0, 1))
    assert box.driver.read(0).items == ()

    settled = Box(tmp_path, settle_s=0.2)
    until(lambda: bool(settled.drain()))
    assert settled.accepted == told(0, 1)


def test_growing_starts_the_wait_anew(tmp_path: Path) -> None:
    """A file that grows between two looks is complete only after it rested."""
    box = Box(tmp_path, settle_s=0.3)
    file = tmp_path / "a.txt"
    with file.open("ab", buffering=0) as handle:
        for number in range(30):
            handle.write(b"line %d\n" % number)
            box.drain()
            time.sleep(0.02)
        handle.write(b"line 30\n")
    until(lambda: bool(box.drain()))
    assert box.accepted == told(0, 31)


@pytest.mark.parametrize("name", [".a.csv", "a.csv.tmp", "a.csv.PART", "a.filepart", "done", "failed", "b.xml"])
def test_what_is_not_for_us_is_left_alone(tmp_path: Path, name: str) -> None:
    """Dot files, half-written files and names outside the pattern stay where they are."""
    (tmp_path / name).write_text("x")
    box = Box(tmp_path, pattern="*.csv" if name == "b.xml" else "*")
    assert box.drain() == []
    assert names(tmp_path) == [name]


def test_links_and_folders_are_left_alone(tmp_path: Path) -> None:
    """Only regular files are read, so a link cannot lead out of the folder."""
    drop = tmp_path / "drop"
    (drop / "inner").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (drop / "link").symlink_to(tmp_path / "secret")
    assert Box(drop).drain() == []


def test_names_in_odd_encodings_survive(tmp_path: Path) -> None:
    """A name that is no UTF-8 is read, kept in done/ and named in notes that can be encoded."""
    raw = os.fsencode(tmp_path) + b"/\xcf\xfa\xca\xdb.txt"
    Path(os.fsdecode(raw)).write_text("!bad")
    box = Box(tmp_path)
    box.drain()
    assert os.listdir(os.fsencode(tmp_path / "failed")) != []
    assert b"\xcf\xfa\xca\xdb.txt.reason" in os.listdir(os.fsencode(tmp_path / "failed"))
    assert all(reason.encode() for reason in box.accepted)


def test_done_files_are_kept_when_asked(tmp_path: Path) -> None:
    """With keep_done a file moves to done/, and a second of the same name does not replace the first."""
    box = Box(tmp_path, keep_done=True)
    for text in ("one", "two"):
        (tmp_path / "a").write_text(text)
        box.drain()
    assert (tmp_path / "done/a").read_text() == "one"
    assert (tmp_path / "done/a.2").read_text() == "two"
    assert box.accepted == ["one", "two"]


def test_an_unreadable_file_moves_to_failed_with_its_reason(tmp_path: Path) -> None:
    """A file that yields no reading is kept beside a text that says why."""
    (tmp_path / "a").write_text("!x\n!y\n")
    box = Box(tmp_path)
    box.drain()
    assert names(tmp_path) == ["failed"]
    assert (tmp_path / "failed/a").read_text() == "!x\n!y\n"
    assert (tmp_path / "failed/a.reason").read_text() == "begins with !\nbegins with !\n"


def test_a_file_is_kept_when_more_was_set_aside_than_the_quarantine_keeps(tmp_path: Path) -> None:
    """A reading beside a huge rejected part does not let the huge part be deleted."""
    content = b"fine\n!" + b"x" * 10_000
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b").write_bytes(b"fine\n!small\n")
    Box(tmp_path).drain()
    assert names(tmp_path / "failed") == ["a", "a.reason"]
    assert (tmp_path / "failed/a").read_bytes() == content


def test_an_empty_file_leaves_without_a_word(tmp_path: Path) -> None:
    """A file of which the decoder says nothing is done."""
    (tmp_path / "a").touch()
    assert Box(tmp_path).drain() == []
    assert names(tmp_path) == []


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    """A folder that is not mounted is an offline device, at opening and at reading, and works when it is back."""
    drop = tmp_path / "drop"
    with pytest.raises(DeviceOffline, match="create or mount it"):
        Box(drop)
    drop.mkdir()
    box = Box(drop)
    drop.rmdir()
    with pytest.raises(DeviceOffline, match="is it mounted"):
        box.driver.read(0)
    drop.mkdir()
    (drop / "a").write_text("one")
    box.driver.close()
    box.driver.open()
    box.drain()
    assert box.accepted == ["one"]


def test_content_rewritten_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    """The file stays, a note says so, and the new content is read in full."""
    file = tmp_path / "a"
    file.write_bytes(lines(0, 20_000))
    box = Box(tmp_path)
    box.commit(box.driver.read(0).items)
    file.write_bytes(lines(50_000, 70_000))
    box.drain()
    assert any("rewritten while it was read" in text for text in box.accepted)
    assert box.accepted[-20_000:] == told(50_000, 70_000)
    assert names(tmp_path) == []


def test_a_file_replaced_before_it_is_on_disk_stays(tmp_path: Path) -> None:
    """The confirmation of the old content does not delete the new."""
    (tmp_path / "a").write_text("old")
    box = Box(tmp_path)
    taken = box.driver.read(0)
    box.commit(taken.items)
    (tmp_path / "new").write_text("new")
    (tmp_path / "new").rename(tmp_path / "a")
    assert taken.confirm
    taken.confirm()
    assert names(tmp_path) == ["a"]
    box.drain()
    assert box.accepted == ["old", "new"]
    assert names(tmp_path) == []


def test_what_is_appended_while_it_is_read_is_not_lost(tmp_path: Path) -> None:
    """The file is read again with what came to it."""
    file = tmp_path / "a"
    file.write_bytes(lines(0, 10))
    box = Box(tmp_path)
    taken = box.driver.read(0)
    box.commit(taken.items)
    with file.open("ab") as handle:
        handle.write(lines(10, 12))
    assert taken.confirm
    taken.confirm()
    box.drain()
    assert box.accepted[-12:] == told(0, 12)


def test_reopening_gives_again_what_was_not_confirmed(tmp_path: Path) -> None:
    """A part that found no room comes again after a close and an open, a part on disk does not."""
    (tmp_path / "a").write_bytes(lines(0, 1100))
    box = Box(tmp_path)
    first = box.driver.read(0)
    box.commit(first.items)
    assert first.confirm
    first.confirm()
    for refused in (1, 2):  # in the middle of the file, and when all of it was given
        for _ in range(refused):
            assert box.driver.read(0).items
        box.driver.close()
        box.driver.close()
        box.driver.open()
    assert names(tmp_path) == ["a"]
    box.drain()
    assert box.accepted == told(0, 1100)
    assert names(tmp_path) == []


def test_the_state_of_files_that_left_is_forgotten(tmp_path: Path) -> None:
    """However many files pass, the state names the last alone."""
    box = Box(tmp_path)
    for number in range(20):
        (tmp_path / f"file {number}").write_text(f"line {number}")
        box.drain()
        if number % 3 == 0:
            box.start()
    assert box.accepted == told(0, 20)
    assert len(box.state) == 1


def test_a_confirmation_that_comes_late_belongs_to_its_own_file(tmp_path: Path) -> None:
    """Confirmed out of order, and once more after the file has left: the next of that name is read in full."""
    box = Box(tmp_path)
    for _ in range(2):
        (tmp_path / "a").write_bytes(lines(0, 600))
        first, second = box.driver.read(0), box.driver.read(0)
        box.commit([*first.items, *second.items])
        for taken in (second, first, first):
            assert taken.confirm
            taken.confirm()
        assert names(tmp_path) == []
    assert box.accepted == told(0, 600) * 2


def test_a_name_used_again_is_a_new_file(tmp_path: Path) -> None:
    """The same name with the same content is read again once the first has left."""
    box = Box(tmp_path)
    for _ in range(3):
        (tmp_path / "a").write_text("same")
        box.drain()
    assert box.accepted == ["same"] * 3


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of an ordinary user's, who this process is meanwhile."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        if user == 0:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)


def test_a_file_that_may_not_be_read_is_noted_once(open_folder: Path) -> None:
    """It is set aside with what to do, and the others are read."""
    (open_folder / "a").write_text("x")
    (open_folder / "a").chmod(0)
    (open_folder / "b").write_text("fine")
    box = Box(open_folder)
    box.drain()
    assert sorted(text.partition(":")[0] for text in box.accepted) == ["file a", "fine"]
    assert names(open_folder) == ["a"]


def test_a_folder_that_may_not_be_changed_is_offline(open_folder: Path) -> None:
    """Nothing is read from where it could not be deleted."""
    (open_folder / "drop").mkdir(mode=0o500)
    with pytest.raises(DeviceOffline, match="rwx permission"):
        Box(open_folder / "drop")


def test_a_file_that_cannot_leave_stops_the_device(tmp_path: Path) -> None:
    """Where done/ cannot be made the device is offline and says so, gives nothing twice, and recovers when it can."""
    (tmp_path / "a").write_text("one")
    (tmp_path / "done").write_text("in the way")
    box = Box(tmp_path, keep_done=True)
    taken = box.driver.read(0)
    box.commit(taken.items)
    assert taken.confirm
    taken.confirm()
    with pytest.raises(DeviceOffline, match="a cannot leave"):
        box.driver.read(0)
    (tmp_path / "done").unlink()
    box.driver.open()
    box.drain()
    assert box.accepted == ["one"]
    assert names(tmp_path) == ["done"]


STEPS = st.lists(st.sampled_from(["read", "commit", "commit one", "confirm", "crash", "drop"]), max_size=60)


@given(STEPS)
def test_a_crash_at_any_point_doubles_nothing_and_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Whatever is read, committed in whole or in part, confirmed or lost, every line is accepted once, in order."""
    path = tmp_path_factory.mktemp("drop")
    box = Box(path)
    given_not_on_disk: list[Item] = []
    to_confirm: list[tuple[int, Taken]] = []
    read = committed = dropped = 0

    def drop() -> None:
        nonlocal dropped
        (path / f"{dropped:03}").write_bytes(lines(dropped * 1100, dropped * 1100 + 1100))
        os.utime(path / f"{dropped:03}", ns=(dropped + 1, dropped + 1))
        dropped += 1

    drop()
    for step in [*steps, "drop", "crash"]:
        if step == "drop":
            drop()
        elif step == "read":
            taken = box.driver.read(0)
            given_not_on_disk.extend(taken.items)
            read += len(taken.items)
            to_confirm.append((read, taken))
        elif step.startswith("commit"):
            count = 1 if step == "commit one" else len(given_not_on_disk)
            box.commit(given_not_on_disk[:count])
            committed += len(given_not_on_disk[:count])
            del given_not_on_disk[:count]
        elif step == "confirm":
            while to_confirm and to_confirm[0][0] <= committed:
                confirm = to_confirm.pop(0)[1].confirm
                if confirm:
                    confirm()
        else:
            given_not_on_disk.clear()
            to_confirm.clear()
            read = committed
            box.driver.close()
            box.start()

    box.drain()
    assert box.accepted == told(0, dropped * 1100)
    assert names(path) == []
