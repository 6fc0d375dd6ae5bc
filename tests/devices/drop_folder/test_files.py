"""A drop folder: files are taken whole, in their order, and leave."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devices.driver import DeviceOffline, Taken
from tests.devices.drop_folder.box import Box, lines, names, told, until


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
