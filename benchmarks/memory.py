"""Memory of a whole agent as it stands in a store: idle, and what a backlog adds to it.

The agent is the product's own command on a bundle of a headquarters that runs beside it: two tills, a scanner and a
door counter, nothing said. It is measured after a restart, as a box spends its years; the first start of all also makes
the buffer's tables, which takes a library more. Then a backlog is put into its buffer and headquarters is taken away.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, show
from benchmarks.week import MIB, Week
from config import load
from edge_agent.keys import read_keys
from edge_agent.recorder.epochs import BoxSeal
from simulation.feeds import Feed
from simulation.processes import wait_for
from simulation.stage import Stage

BACKLOG = 100_000
SETTLED_S = 20.0
DEVICES = [
    Feed("till-1", "csv-drop", {}, iter(())),
    Feed("till-2", "poslog", {}, iter(())),
    Feed("scan-1", "scanner-serial", {"role": "sale"}, iter(())),
    Feed("door-1", "hikvision-count", {}, iter(())),
]


def resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0]) * 1024


def at_rest(stage: Stage) -> int:
    """What the agent takes some heartbeats after its start."""
    agent = stage.store.agent
    agent.start()
    agent.await_ready()
    time.sleep(SETTLED_S)
    return resident(agent.pid)


def restarted(stage: Stage) -> int:
    at_rest(stage)
    stage.store.agent.stop()
    return at_rest(stage)


def fill(stage: Stage) -> None:
    """The agent's buffer holds a backlog, as if it had been alone for hours."""
    config = load(stage.store.agent.yaml)
    keys = read_keys(config.hq)
    seal = BoxSeal(config.store, config.box, bytes(16), keys.box, keys.recipients)
    Week(config.data_dir, seal).run(BACKLOG)


def measured(folder: Path) -> tuple[int, int]:
    """Bytes idle, and bytes with a backlog."""
    stage = Stage(folder, DEVICES)
    try:
        stage.hq.start()
        stage.hq.await_ready()
        idle = restarted(stage)
        stage.store.agent.stop()
        stage.hq.stop()
        fill(stage)
        loaded = at_rest(stage)
        wait_for("the backlog", 60, lambda: stage.store.agent.accepted() >= BACKLOG)
    finally:
        stage.close()
    return idle, loaded


def bare() -> int:
    """Bytes of a Python that has imported nothing."""
    said = subprocess.run([sys.executable, "-c", _SAY], check=True, capture_output=True, text=True).stdout
    return int(said) * 1024


_SAY = "import re; print(re.findall(r'VmRSS:\\s+(\\d+) kB', open('/proc/self/status').read())[0])"


def main() -> None:
    with TemporaryDirectory() as folder:
        idle, loaded = measured(Path(folder) / "stage")
    show(
        [
            Figure("rss_idle_mb", idle / MIB, "MiB", bare() / MIB),
            Figure("rss_backlog_growth_mb", (loaded - idle) / MIB, "MiB"),
        ]
    )


if __name__ == "__main__":
    main()
