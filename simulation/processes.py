"""The product's own commands as child processes: headquarters and one store's agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from edge_agent.window import CannotAnswer, ask
from hq import boxes
from hq.data import Data, free_ports
from hq.embedded import process
from simulation.feeds import Feed

START_S = 90.0
STOP_S = 30.0
T = TypeVar("T")


class Stuck(Exception):
    """What was waited for did not come."""


def wait_for(what: str, seconds: float, condition: Callable[[], T | None]) -> T:
    """The first true value of `condition`, or `Stuck`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Stuck(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
    return value


class Process:
    """One child with its log file; it dies with us."""

    def __init__(self, argv: list[str], log: Path) -> None:
        self._argv = argv
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._child = process.start(self._argv, log=self._log, on_parent_death=signal.SIGTERM, user=None)

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Of the child that was started last."""
        if self._child is None:
            raise Stuck(f"{self._argv[0]} was not started")
        return self._child.pid

    def kill(self) -> None:
        """SIGKILL, and the process is gone."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def stop(self) -> None:
        """SIGTERM; `Stuck` when it does not end."""
        if self._child is None or not self.running:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            raise Stuck(f"{self._argv[0]} did not end within {STOP_S:.0f} s; see {self._log}") from None


def command(name: str) -> str:
    """Our own console script, beside the Python that runs this."""
    return str(Path(sys.executable).with_name(name))


class Headquarters(Process):
    """`edge-hq up` on a data directory below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "hq"
        super().__init__([command("edge-hq"), "up", "--data", str(self.data)], folder / "hq.log")

    def let_in(self, store: str, box: str, bundle: Path, timezone: str) -> None:
        """Makes keys and the store's bundle where they are missing."""
        data = Data(self.data)
        if not data.settings_file.exists():
            self._tell("init")
        if boxes.find(data, store, box) is None:
            self._tell("store", "add", store, "--box", box, "--timezone", timezone, "--out", str(bundle))

    def _tell(self, *argv: str) -> None:
        said = [command("edge-hq"), *argv, "--data", str(self.data)]
        subprocess.run(said, check=True, stdout=subprocess.DEVNULL)

    @property
    def facts(self) -> dict[str, Any]:
        """`run.json`: ports and process ids; empty while it starts."""
        try:
            return dict(json.loads((self.data / "run.json").read_text()))
        except (OSError, ValueError):
            return {}

    def await_ready(self) -> None:
        """Until its console takes connections."""
        port = Data(self.data).settings().console_port
        wait_for(
            "headquarters", START_S, lambda: not self.running or (self.facts and process.listens("127.0.0.1", port))
        )
        if not self.running:
            raise Stuck(f"headquarters ended; see {self._log}")

    def parts(self, command: str) -> dict[str, int]:
        """The process ids of the parts that run this command, by name."""
        return {name: pid for name, pid in self.facts.get("pids", {}).items() if name.partition("-")[0] == command}

    def kill_part(self, command: str) -> None:
        """SIGKILLs its parts that run this; returns once each is back under another process id."""
        before = self.parts(command)
        if not before:
            raise Stuck(f"no part of headquarters runs {command}")
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_for(
            f"{command} to be back",
            START_S,
            lambda: (
                (now := self.parts(command)).keys() == before.keys() and not set(now.values()) & set(before.values())
            ),
        )


class Agent(Process):
    """`edge-agent run` on a bundle of `edge-hq store add`, with the devices of these feeds."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.bundle = bundle
        self.yaml = bundle / "store.yaml"
        self.data = folder / "agent"
        (self.port,) = free_ports(1)
        super().__init__([command("edge-agent"), "run", "-c", str(self.yaml)], folder / "agent.log")

    def configure(self, feeds: list[Feed], places: Mapping[str, Mapping[str, str | int]]) -> None:
        """Writes the devices into the bundle's YAML; places: by device id, where it is plugged in."""
        config = yaml.safe_load(self.yaml.read_text())
        config["data_dir"] = str(self.data)
        config["listener"] = {"port": self.port}
        config["heartbeat_interval_s"] = 5
        config["devices"] = [
            {"id": feed.id, "driver": feed.driver, **feed.settings, **places[feed.id]} for feed in feeds
        ]
        self.yaml.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))

    def status(self) -> dict[str, Any]:
        """What it says of itself; empty while it does not answer."""
        try:
            return ask(self.data, "status", 5.0)
        except (OSError, ValueError, CannotAnswer):
            return {}

    def await_ready(self) -> None:
        wait_for("the agent", START_S, self.status)

    def accepted(self) -> int:
        """Records accepted so far, by its own count; 0 while it does not answer."""
        return sum(lane.get("accepted", 0) for lane in self.status().get("lanes", []))
