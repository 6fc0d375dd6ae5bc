"""The relay as a program: every byte, both ways, whatever dies."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from devices.driver import Context, Driver, Item
from devices.registry import driver
from records.types import PosReceipt

ROOT = Path(__file__).resolve().parents[3]
UNITS = ROOT / "systemd"
PATIENCE_S = 60.0
STATUS = b"\x10\x04\x01"
Start = Callable[..., "Relay"]


def eventually(holds: Callable[[], object], what: object = "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def print_on(till: socket.socket) -> None:
    """More than any buffer between here and the printer holds."""
    for _ in range(1000):
        till.sendall(b"receipt " * 1000)


class Printer:
    """A printer on TCP: keeps what each connection printed, answers status requests; takes `pace` bytes at a time."""

    def __init__(self, pace: int = 4096) -> None:
        self._pace = pace
        self.jobs: list[bytearray] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> tuple[str, int]:
        name = self.listener.getsockname()
        return str(name[0]), int(name[1])

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            self.jobs.append(bytearray())
            threading.Thread(target=self._print, args=(caller, self.jobs[-1]), daemon=True).start()

    def _print(self, caller: socket.socket, job: bytearray) -> None:
        try:
            while data := caller.recv(self._pace):
                job += data
                if STATUS in data:
                    caller.sendall(b"\x12")
                if self._pace < 4096:
                    time.sleep(0.001)  # a head moves paper
        except OSError:
            return
        caller.close()


class Relay:
    """The program, and all its processes."""

    def __init__(self, folder: Path, printer: tuple[str, int], *more: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = ("127.0.0.1", int(free.getsockname()[1]))
        self.copies = folder / "copies.sock"
        self._name = f"127.0.0.1:{self.address[1]}"
        self._log = (folder / f"relay-{self.address[1]}.log").open("w+")
        command = [sys.executable, "-m", "edge_agent.relay", "--listen", self._name, "--copies", str(self.copies)]
        self.process = subprocess.Popen(
            [*command, "--printer", f"{printer[0]}:{printer[1]}", *more], cwd=ROOT, stderr=self._log
        )
        eventually(lambda: len(self.processes) == 2, "it did not start")

    @property
    def processes(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                try:
                    told = (entry / "cmdline").read_bytes().decode().split("\0")
                except OSError:
                    continue
                if "edge_agent.relay" in told and self._name in told:
                    found.append(int(entry.name))
        return sorted(found)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=PATIENCE_S)

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        eventually(self._swept)  # a survivor starts a companion: until there is none
        self.process.wait(PATIENCE_S)
        self._log.close()

    def _swept(self) -> bool:
        for pid in self.processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)  # so that a survivor stops as well
                os.kill(pid, signal.SIGKILL)
        return not self.processes


@pytest.fixture
def printer() -> Iterator[Printer]:
    one = Printer()
    yield one
    one.listener.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts relays, and leaves none behind."""
    started: list[Relay] = []

    def relay(printer: tuple[str, int], *more: str) -> Relay:
        started.append(Relay(tmp_path, printer, *more))
        return started[-1]

    yield relay
    for one in started:
        one.stop()


@pytest.fixture
def relay(start: Start, printer: Printer) -> Relay:
    return start(printer.address)


def tap(relay: Relay) -> Driver:
    package = driver("escpos-tap")
    options = {"id": "t", "driver": "escpos-tap", "port": f"relay://{relay.copies}", "gap_s": 0.2}
    device = package.device(package.options.model_validate(options), Context())
    assert isinstance(device, Driver)
    device.open()
    return device


def read_until(device: Driver, count: int) -> list[Item]:
    items: list[Item] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(items) < count:
        assert time.monotonic() < deadline, items
        taken = device.read(0.05)
        items += taken.items
        if taken.confirm:
            taken.confirm()
    return items


def test_both_directions_are_handed_on_unchanged(relay: Relay, printer: Printer) -> None:
    """Any bytes, of any size; the printer's answers come back."""
    data = Random(1).randbytes(300_000).replace(STATUS, b"")
    with relay.connect() as till:
        till.sendall(data + STATUS)
        assert till.recv(1) == b"\x12"
        till.shutdown(socket.SHUT_WR)
        assert till.recv(1) == b""
    assert bytes(printer.jobs[0]) == data + STATUS


def test_the_agent_gets_a_copy_and_none_is_lost_while_it_is_away(relay: Relay) -> None:
    """Receipts printed before it came, and while it restarts, are read by it once."""

    def sell(number: int) -> None:
        with relay.connect() as till:
            till.sendall(b"\x1b@receipt %d\n\x1dV\x00" % number)
            till.shutdown(socket.SHUT_WR)
            assert till.recv(1) == b""

    for number in range(3):
        sell(number)
    first = tap(relay)
    texts = [item.data.text for item in read_until(first, 3) if isinstance(item.data, PosReceipt)]  # type: ignore[union-attr]
    first.close()
    for number in range(3, 6):
        sell(number)
    texts += [item.data.text for item in read_until(tap(relay), 3) if isinstance(item.data, PosReceipt)]  # type: ignore[union-attr]
    assert texts == [f"receipt {number}" for number in range(6)]


def test_an_agent_that_does_not_read_holds_nobody_up(start: Start, printer: Printer) -> None:
    """More than the ring and every buffer hold goes through while the agent's connection stands still."""
    relay = start(printer.address, "--room-mb", "1")
    data = b"x" * 3_000_000
    with socket.socket(socket.AF_UNIX) as agent:
        agent.connect(str(relay.copies))
        with relay.connect() as till:
            till.sendall(data)
            till.shutdown(socket.SHUT_WR)
            assert till.recv(1) == b""
        assert len(printer.jobs[0]) == len(data)


def test_killed_while_printing_no_byte_is_lost_or_doubled(start: Start) -> None:
    """Either process, at any moment, also when the till has hung up already; the other goes on and gets a companion."""
    printer, rng = Printer(pace=2000), Random(2)
    relay = start(printer.address)
    amid = 0
    for number in range(12):
        data = rng.randbytes(150_000)
        with relay.connect() as till:
            till.sendall(data)
        eventually(lambda number=number: len(printer.jobs) > number and printer.jobs[number])
        amid += len(printer.jobs[number]) < len(data)
        relay.kill(rng.choice(relay.processes))
        eventually(lambda number=number, data=data: len(printer.jobs[number]) >= len(data), number)
        assert bytes(printer.jobs[number]) == data
        eventually(lambda: len(relay.processes) == 2)
    assert amid >= 6
    printer.listener.close()


def test_new_connections_are_served_while_one_process_lives(relay: Relay, printer: Printer) -> None:
    """Killed between receipts, the next one is printed, again and again."""
    for number in range(6):
        relay.kill(relay.processes[number % 2])
        with relay.connect() as till:
            till.sendall(STATUS)
            assert till.recv(1) == b"\x12"
        eventually(lambda: len(relay.processes) == 2)
    assert len(printer.jobs) == 6


def test_both_killed_at_once_the_till_sees_an_error(start: Start) -> None:
    """A till that is still printing is told, as by any printer that goes away."""
    printer = Printer(pace=500)
    relay = start(printer.address)
    with relay.connect() as till:
        till.sendall(b"x" * 10_000)
        eventually(lambda: printer.jobs and printer.jobs[0])
        for pid in relay.processes:
            os.kill(pid, signal.SIGSTOP)
        for pid in relay.processes:
            relay.kill(pid)
        eventually(lambda: not relay.processes)
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            print_on(till)
    relay.process.wait(PATIENCE_S)
    printer.listener.close()


def test_a_printer_that_is_away_resets_the_till_that_waits(start: Start) -> None:
    """After the patience that was set; it is an ordinary printer error."""
    gone = Printer()
    gone.listener.close()
    relay = start(("127.0.0.1", 9), "--patience-s", "0.3")
    with relay.connect() as till:
        till.sendall(b"receipt")
        with pytest.raises(ConnectionResetError):
            till.recv(1)


def test_what_a_till_sent_and_hung_up_on_waits_for_the_printer(start: Start) -> None:
    """The till believes that it is printed, so it is, when the printer is back."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    relay = start(("127.0.0.1", int(address[1])), "--patience-s", "0.3")
    with relay.connect() as till:
        till.sendall(b"receipt of a till that is gone")
    time.sleep(1)
    printed = bytearray()
    with socket.create_server(("127.0.0.1", int(address[1]))) as back:
        back.settimeout(PATIENCE_S)
        caller, _ = back.accept()
        while data := caller.recv(100):
            printed += data
        caller.close()
    assert bytes(printed) == b"receipt of a till that is gone"


def test_a_printer_that_breaks_off_breaks_off_the_till(start: Start) -> None:
    """In mid-receipt the till sees it as it would without the relay."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = start(("127.0.0.1", int(listener.getsockname()[1])))
        with relay.connect() as till:
            till.sendall(b"half a")
            caller, _ = listener.accept()
            assert caller.recv(6, socket.MSG_WAITALL) == b"half a"  # one that breaks off sooner is asked again
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            caller.close()
            with pytest.raises(OSError, match=r"reset|[Bb]roken"):
                print_on(till)


def test_asked_to_stop_it_finishes_what_is_being_printed(start: Start) -> None:
    """No new tills; the open receipt to its end; then both processes go."""
    printer = Printer(pace=1000)
    relay = start(printer.address)
    with relay.connect() as till:
        till.sendall(b"a" * 50_000)
        eventually(lambda: printer.jobs and printer.jobs[0])
        relay.process.terminate()
        till.sendall(b"b" * 50_000)
    eventually(lambda: not relay.processes)
    assert relay.process.wait(PATIENCE_S) == 0
    eventually(lambda: len(printer.jobs[0]) == 100_000)
    printer.listener.close()


def test_it_imports_nothing_of_the_agent() -> None:
    """The standard library, itself and the module of frames."""
    script = "import sys, edge_agent.relay.__main__; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    ours = {
        name for name in done.stdout.split() if re.match(r"(?:devices|edge_agent|records|config|cloud_sync)\b", name)
    }
    assert {name for name in ours if not name.startswith("edge_agent.relay")} == {
        "devices", "devices.escpos_tap", "devices.escpos_tap.tee_frames", "edge_agent",
    }  # fmt: skip
    assert not {"pydantic", "msgspec", "yaml", "serial", "sqlite3", "asyncio"} & set(done.stdout.split())


def test_the_agents_command_becomes_the_relay(tmp_path: Path, printer: Printer) -> None:
    """`edge-agent relay` takes the same arguments and is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "edge_agent", "relay", "--printer", "nowhere", "--copies", str(tmp_path / "c")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "relay: 'nowhere' is not HOST:PORT\n")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """Relay, its port, and what stands in for it; each service is closed as far as it can be."""
    for unit in UNITS.glob("store-edge-relay*"):
        text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text())
        (tmp_path / unit.name).write_text(text)
    for unit in sorted(tmp_path.iterdir()):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit.name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout + done.stderr, done.returncode) == ("", 0)
        if unit.suffix == ".service":
            exposure = [
                "systemd-analyze",
                "security",
                "--offline=true",
                "--threshold=15",
                "--no-pager",
                f"./{unit.name}",
            ]
            assert subprocess.run(exposure, cwd=tmp_path, capture_output=True, check=False).returncode == 0
