"""`scripts/demo` as a person runs it: a console to look at, Ctrl-C, and another day on the same data."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
import requests

from hq.data import Data
from hq.headquarters import database
from simulation.processes import wait_for
from simulation.stage import TIMEZONE
from tests.simulation.demo import COMMAND, ROOT

pytestmark = pytest.mark.xdist_group("stage-1")

START_S = 120.0
DEVICES = ("till-1", "till-2", "scan-1", "gate-1")
LISTENING = "0A"
LOOPBACK = "0100007F"


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo, and its console's address; whatever a failed test leaves is killed."""
    demo = subprocess.Popen([*COMMAND, "--data", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert demo.stdout
        assert select.select([demo.stdout], [], [], START_S)[0]
        (console,) = re.findall(r"console: (http://127\.0\.0\.1:\d+)", demo.stdout.readline())
        yield demo, console
    finally:
        for pid in [*below(demo.pid), demo.pid]:
            if demo.poll() is None:
                os.kill(pid, signal.SIGKILL)
        demo.wait()


def test_ctrl_c_ends_everything_and_a_second_start_goes_on(tmp_path: Path) -> None:
    """Records of today arrive; SIGINT exits with 0 and leaves nothing; the next start has the same stream and more."""
    folder = tmp_path / "demo"
    today = datetime.now(ZoneInfo(TIMEZONE)).date()
    first = a_while(folder, today)
    second = a_while(folder, today)
    assert second.keys() == first.keys()
    assert all(second[device] > first[device] for device in DEVICES)
    assert second["streams"] == first["streams"] == 1


def a_while(folder: Path, day: date) -> dict[str, int]:
    """Runs the demo until every device brought something new, ends it, and gives the counts of today's records."""
    with running(folder) as (demo, console):
        page = requests.get(console, timeout=30)
        assert page.status_code == 200
        assert "0214" in page.text
        before = counts(folder, day)
        now = wait_for("news of every device", START_S, lambda: grown(before, counts(folder, day)))
        assert listening(demo.pid) == {LOOPBACK}
        children = below(demo.pid)
        assert len(children) > 5
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
        assert not any(map(alive, children))
        assert named(str(folder)) == []
        return now


def grown(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """The counts, empty while a device has brought nothing new."""
    return now if all(now.get(device, 0) > before.get(device, 0) for device in DEVICES) else {}


def counts(folder: Path, day: date) -> dict[str, int]:
    """Tickets of that day by till, scans and temperatures by device, and how many streams there are."""
    with psycopg.connect(database(Data(folder / "hq")).dsn()) as db:
        found = dict(
            db.execute(
                """SELECT device, count(*) FROM pos_sale WHERE business_day >= %s AND duplicate_of IS NULL
                   GROUP BY device
                   UNION ALL SELECT device, count(*) FROM scan GROUP BY device
                   UNION ALL SELECT device, count(*) FROM temp_check GROUP BY device""",
                [day],
            ).fetchall()
        )
        (streams,) = db.execute("SELECT count(DISTINCT stream) FROM epoch").fetchone() or (0,)
    return {**found, "streams": streams}


def below(pid: int) -> list[int]:
    """Every process below this one."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*children, *(grandchild for child in children for grandchild in below(child))]


def alive(pid: int) -> bool:
    """Whether it still runs; what only waits for init to take note of its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def named(text: str) -> list[str]:
    """Command lines that name this, other than those of tests."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if text in line]


def open_by(pid: int) -> set[str]:
    """What its descriptors are; nothing of a process that has just ended."""
    try:
        return {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return set()


def listening(pid: int) -> set[str]:
    """Addresses, in the kernel's hexadecimal, at which processes below this one take TCP connections."""
    sockets = {link for child in below(pid) for link in open_by(child)}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {
        parts[1].split(":")[0]
        for parts in lines
        if len(parts) > 9 and parts[3] == LISTENING and f"socket:[{parts[9]}]" in sockets
    }
