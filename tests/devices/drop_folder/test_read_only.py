"""A folder that is read only: files stay, and each is taken once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from devices.driver import DeviceOffline
from tests.devices.drop_folder.box import Box, lines, names, told


@pytest.fixture
def share() -> Iterator[Path]:
    """A folder in which this process, an ordinary user meanwhile, may change nothing; `os.seteuid(0)` may."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755 if user == 0 else 0o700)
        inner = Path(folder, "share")
        inner.mkdir()
        (inner / "a").write_bytes(lines(0, 700))
        (inner / "b").write_text("!broken")
        inner.chmod(0o555)
        if user == 0:
            os.seteuid(65534)
        try:
            yield inner
        finally:
            os.seteuid(user)
            inner.chmod(0o755)


def test_what_may_not_be_deleted_is_taken_once(share: Path) -> None:
    """Over restarts too; what could not be read is set aside once and stays like the rest."""
    box = Box(share, read_only=True)
    for _ in range(3):
        box.drain()
        box.driver.close()
        box.start()
    assert box.accepted == [*told(0, 700), "begins with !"]
    assert names(share) == ["a", "b"]


def test_without_the_setting_it_is_refused(share: Path) -> None:
    """Nothing is read from where it could not be deleted, unless that is wanted."""
    with pytest.raises(DeviceOffline, match="rwx permission"):
        Box(share)


def test_a_restart_in_mid_file_goes_on_behind_what_is_on_disk(tmp_path: Path) -> None:
    """A part that was confirmed is not given again, one that was not is."""
    (tmp_path / "a").write_bytes(lines(0, 1200))
    box = Box(tmp_path, read_only=True)
    box.commit(box.driver.read(0).items)
    box.driver.read(0)
    box.start()
    box.drain()
    assert box.accepted == told(0, 1200)


def test_a_new_content_is_read_and_an_old_one_touched_is_not(tmp_path: Path) -> None:
    """The name with its content tells what was taken, not the time of writing."""
    file = tmp_path / "a"
    file.write_text("one")
    box = Box(tmp_path, read_only=True)
    box.drain()
    os.utime(file, ns=(1, 1))
    box.drain()
    assert box.accepted == ["one"]
    file.write_text("two")
    box.drain()
    assert box.accepted == ["one", "two"]


def test_the_ledger_forgets_what_has_gone_and_outlives_a_lost_mount(tmp_path: Path) -> None:
    """An empty folder forgets nothing; a file beside which another has vanished forgets that one."""
    share, away = tmp_path / "share", tmp_path / "away"
    share.mkdir()
    (share / "a").write_text("one")
    (share / "b").write_text("two")
    box = Box(share, read_only=True)
    box.drain()
    share.rename(away)
    share.mkdir()  # what lies under a mount
    box.drain()
    share.rmdir()
    away.rename(share)
    box.drain()
    assert (sorted(box.accepted), len(box.state)) == (["one", "two"], 2)

    (share / "a").unlink()
    (share / "c").write_text("three")
    box.drain()
    assert (box.accepted[2:], len(box.state)) == (["three"], 2)
    (share / "a").write_text("one")
    box.drain()
    assert box.accepted[2:] == ["three", "one"]


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """Files cannot both stay and be moved."""
    with pytest.raises(ValidationError, match="leave one of them out"):
        Box(tmp_path, read_only=True, keep_done=True)
