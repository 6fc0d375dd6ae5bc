"""`edge-agent check`, as a person runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config" / "store.yaml"
BROKEN = ROOT / "tests" / "config" / "broken"
AGENT = [sys.executable, "-m", "edge_agent"]


def check(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*AGENT, "check", *map(str, files)], capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_example_passes() -> None:
    """The annotated example, with a device of every driver, is accepted where none of its devices exists."""
    done = check(EXAMPLE)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{EXAMPLE}: ok, store 0214, box box-1, 5 devices\n"


def test_all_files_are_told_at_once(tmp_path: Path) -> None:
    """Faults of every file are told, an absent one among them, and one bad file makes the exit 78."""
    absent = tmp_path / "absent.yaml"
    done = check(BROKEN / "tab.yaml", EXAMPLE, absent, BROKEN / "empty.yaml")

    assert done.returncode == 78
    assert done.stdout.count("\n") == 1
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == [
        f"{BROKEN / 'tab.yaml'}:14:",
        f"{absent}:",
        f"{BROKEN / 'empty.yaml'}:1:",
    ]


def test_no_file_is_a_usage_error() -> None:
    """`check` without a file ends with 2 and says how to call it."""
    done = check()

    assert done.returncode == 2
    assert "usage: edge-agent check" in done.stderr


@pytest.mark.parametrize("command", ["run", "status"])
def test_no_command_starts_on_a_broken_file(command: str) -> None:
    """What needs the store's file ends with 78 and the same faults as `check`, so that systemd does not restart it."""
    file = BROKEN / "empty.yaml"
    done = subprocess.run([*AGENT, command, "-c", file], capture_output=True, text=True, cwd=ROOT, check=False)

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == check(file).stderr


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("file", [EXAMPLE, *sorted(BROKEN.iterdir())], ids=lambda file: file.stem)
def test_no_device_and_no_network_is_opened(tmp_path: Path, file: Path) -> None:
    """Checking opens the file that it was given, but no socket, no port, and nothing that the file names."""
    log = tmp_path / "calls"
    subprocess.run(
        ["strace", "-f", "-e", "trace=network,open,openat", "-o", log, *AGENT, "check", file],
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    calls = log.read_text()
    opened = re.findall(r'open(?:at)?\([^"]*"([^"]+)"', calls)

    assert str(file) in opened
    assert not re.search(r"\b(socket|connect|bind|sendto|sendmsg)\(", calls)
    assert [
        path for path in opened if re.match(r"/dev/(?!null|urandom)|/etc/store-edge|/srv|/var/lib/store-edge", path)
    ] == []
