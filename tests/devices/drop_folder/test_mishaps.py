"""A drop folder: what is changed, forbidden or cut off by a crash loses and doubles nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import DeviceOffline, Item, Taken
from tests.devices.drop_folder.box import Box, lines, names, told


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


@given(STEPS, st.booleans())
def test_a_crash_at_any_point_doubles_nothing_and_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], read_only: bool
) -> None:
    """Whatever is read, committed in whole or in part, confirmed or lost, every line is accepted once, in order; the
    files have left then, or stay where they may not be changed.
    """
    path = tmp_path_factory.mktemp("drop")
    box = Box(path, read_only=read_only)
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
    assert len(names(path)) == (dropped if read_only else 0)
