"""`edge-hq up` as a process of its own, with the real broker, database and workers."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from hq.cli import main
from hq.data import Data
from hq.embedded import process
from hq.headquarters import broker
from hq.headquarters import database as embedded_database
from hq.up import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Watched
from tests.hq.mqtt_box import Box
from tests.services import Files

DEADLINE_S = 90.0


class Up:
    """One `edge-hq up`, its output read line by line."""

    def __init__(self, data: Data, *arguments: str, **environment: str) -> None:
        self.data = data
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hq", "up", "--data", str(data.root), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
        )

    def await_ready(self) -> Up:
        """Returns once it said so."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + DEADLINE_S
        while not any("ready" in line for line in self.said):
            readable, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            assert readable, f"not ready in time: {self.said}"
            line = self.process.stdout.readline()
            assert line, f"ended with {self.process.wait()}: {self.said}"
            self.said.append(line)
        return self

    def running(self) -> dict[str, int]:
        """Process ids by part, as run.json says."""
        return dict(json.loads(self.data.run_file.read_bytes())["pids"])

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Data]:
    """A place for a headquarters; whatever a failed test leaves running there is ended."""
    data = Data(tmp_path / "hq")
    yield data
    for pid in processes_of(data):
        process.send(pid, signal.SIGKILL)


def processes_of(data: Data) -> list[int]:
    """Every process that names the data directory in its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(data.root).encode() in argv:
                found.append(int(entry.name))
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ports(data: Data) -> list[int]:
    settings = data.settings()
    return [settings.mqtt_port, settings.nats_port, settings.database_port, settings.console_port]


def test_it_starts_from_nothing_and_leaves_nothing_running(data: Data) -> None:
    """An empty directory becomes a headquarters on 127.0.0.1; SIGTERM ends every process and closes every port."""
    up = Up(data).await_ready()
    settings = data.settings()
    assert up.said[-1] == f"edge-hq: ready; console: http://127.0.0.1:{settings.console_port}\n"
    ingest = {"ingest", "ingest-2"} if (os.cpu_count() or 1) > 1 else {"ingest"}
    assert set(up.running()) == {"broker", "database", "serve"} | ingest
    assert len(processes_of(data)) >= 3
    assert all(process.listens("127.0.0.1", port) for port in ports(data))

    assert up.end(signal.SIGTERM) == 0
    assert processes_of(data) == []
    assert not any(process.listens("127.0.0.1", port) for port in ports(data))
    assert not data.run_file.exists()


def test_a_second_start_goes_on_with_the_same_data(data: Data) -> None:
    """After Ctrl-C the next start has the same ports, keys and rows."""
    up = Up(data).await_ready()
    before, root = ports(data), (data.keys / "root.pub").read_bytes()
    with psycopg.connect(embedded_database(data).dsn()) as connection:
        connection.execute("INSERT INTO store (store) VALUES ('kept')")
    assert up.end(signal.SIGINT) == 0
    up = Up(data).await_ready()
    with psycopg.connect(embedded_database(data).dsn()) as connection:
        stores = connection.execute("SELECT store FROM store").fetchall()
    up.end(signal.SIGTERM)

    assert stores == [("kept",)]
    assert (ports(data), (data.keys / "root.pub").read_bytes()) == (before, root)


def test_its_children_do_not_outlive_a_sigkill(data: Data) -> None:
    """When `up` itself is killed its children end, and the next start gets their ports and data."""
    up = Up(data).await_ready()
    up.end(signal.SIGKILL)
    wait_for(lambda: processes_of(data) == [])
    wait_for(lambda: not any(process.listens("127.0.0.1", port) for port in ports(data)))

    assert Up(data).await_ready().end(signal.SIGTERM) == 0


def test_a_start_right_after_sigkill_copes_with_what_is_left(data: Data) -> None:
    """A start that does not wait for the old children to end still becomes ready."""
    up = Up(data).await_ready()
    up.end(signal.SIGKILL)

    assert Up(data).await_ready().end(signal.SIGTERM) == 0
    assert processes_of(data) == []


def test_a_leftover_broker_is_ended_at_the_next_start(data: Data) -> None:
    """A broker that escaped the kernel's signal gives up its ports to the next start."""
    assert main(["init", "--data", str(data.root)]) == 0
    left = broker(data)
    left.start()
    up = Up(data).await_ready()
    assert left.process is not None
    ended = left.process.wait(DEADLINE_S)
    up.end(signal.SIGTERM)

    assert ended == 0


def test_a_part_that_dies_is_started_again(data: Data) -> None:
    """After kill -9 of any part another process takes its place, run.json names it, and everything listens again."""
    up = Up(data).await_ready()
    for part in ("serve", "ingest", "broker", "database"):
        before = up.running()[part]
        process.send(before, signal.SIGKILL)
        wait_for(lambda part=part, before=before: up.running()[part] != before)
        wait_for(lambda: all(process.listens("127.0.0.1", port) for port in ports(data)))

    assert up.end(signal.SIGTERM) == 0
    assert processes_of(data) == []


def test_one_at_a_time(data: Data, capfd: pytest.CaptureFixture[str]) -> None:
    """A second `up` on the same directory is refused and the first is not disturbed."""
    up = Up(data).await_ready()
    pids = up.running()
    assert main(["up", "--data", str(data.root)]) == 1
    assert "another edge-hq up runs" in capfd.readouterr().err
    assert {name: up.running()[name] for name in ("broker", "database")} == {
        name: pids[name] for name in ("broker", "database")
    }
    up.end(signal.SIGTERM)


def test_a_box_added_meanwhile_connects_at_once_and_a_revoked_one_is_cut(data: Data) -> None:
    """`store add` reaches the running broker and the tables; `store revoke` ends the box's session."""
    up = Up(data).await_ready()
    assert main(["store", "add", "shop-1", "--data", str(data.root)]) == 0
    bundle = data.bundles / "shop-1.box-1"
    files = Files(bundle / "ca.crt", bundle / "tls.crt", bundle / "tls.key")

    def connected() -> Box | None:
        box = Box("shop-1-box-1", bundle / "ca.crt", files)
        return box if box.connect(data.settings().mqtt_port) else None

    attempts: list[Box | None] = []
    wait_for(lambda: bool(attempts.append(connected()) or attempts[-1]))
    box = attempts[-1]
    assert box is not None
    assert box.subscribe("se/shop-1/box-1/down") == 1
    with psycopg.connect(embedded_database(data).dsn()) as connection:
        rows = connection.execute("SELECT store, box, revoked_at FROM box").fetchall()
    assert main(["store", "revoke", "shop-1", "--data", str(data.root)]) == 0
    cut = not box.outcome.get(timeout=DEADLINE_S)
    box.close()
    up.end(signal.SIGTERM)

    assert rows == [("shop-1", "box-1", None)]
    assert cut


def test_systemd_hears_how_it_is(data: Data, tmp_path: Path) -> None:
    """READY after everything runs, WATCHDOG while it does, STOPPING at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        path = os.path.relpath(tmp_path / "n")
        heard.bind(path)
        heard.settimeout(DEADLINE_S)
        up = Up(data, NOTIFY_SOCKET=path)
        first, second = heard.recv(64), heard.recv(64)
        up.end(signal.SIGTERM)
        last = second
        while last == b"WATCHDOG=1":
            last = heard.recv(64)

    assert (first, second, last) == (b"READY=1", b"WATCHDOG=1", b"STOPPING=1")


def test_ports_and_address_are_kept_as_asked(data: Data) -> None:
    """A chosen console port is used and stays chosen for later starts."""
    assert main(["init", "--data", str(data.root), "--console-port", "31999", "--host", "127.0.0.2"]) == 0
    assert main(["init", "--data", str(data.root)]) == 0

    assert (data.settings().console_port, data.settings().host) == (31999, "127.0.0.2")
    assert data.settings().names[0] == "127.0.0.2"


class Brief:
    """A part that ends as soon as it is started."""

    name = "brief"

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        self.process = subprocess.Popen(["true"])
        self.process.wait()

    def stop(self) -> None:
        self.process = None


def test_pauses_double_and_start_over_after_a_steady_run() -> None:
    """What dies at once is started ever more rarely; a part that ran for a minute is started again at once."""
    part = Brief()
    part.start()
    watched, now, pauses = Watched(part, 0.0), 0.0, []
    for _ in range(9):
        assert not watched.look(now)
        assert watched.due is not None
        pauses.append(watched.due - now)
        now = watched.due
        assert watched.look(now)
    watched.look(now + STEADY_S + 1)

    assert pauses[:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 8 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert watched.due == now + STEADY_S + 1 + FIRST_PAUSE_S
    assert part.starts == 10
