"""What thirty devices at their usual rates cost: the real agent, sealing and sending, against simulated devices.

Minutes long. Only the agent's process is measured, from a while after its start; devices and headquarters are others.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import Figure, show
from simulation.feeds import Feed, simulated
from simulation.stage import Stage

WARM_S = 30.0
MEASURED_S = 180.0
DEVICES: tuple[tuple[int, str, float, dict[str, Any]], ...] = (  # how many, driver, seconds between messages, settings
    (2, "csv-drop", 30, {}),
    (1, "poslog", 30, {}),
    (2, "scanner-serial", 2, {"role": "sale"}),
    (4, "hikvision-count", 60, {}),
    (2, "axis-count", 60, {}),
    (2, "xovis-count", 60, {}),
    (2, "dahua-count", 60, {"interval_s": 60}),
    (2, "ir-thermometer", 5, {}),
    (1, "hikvision-acs", 20, {}),
    (2, "w1-thermometer", 30, {"interval_s": 30}),
    (3, "modbus", 0, {"interval_s": 60}),
    (2, "scale", 0.1, {}),
    (1, "zkteco", 0, {"timezone": "UTC"}),
    (1, "zkteco-push", 60, {}),
    (2, "dlt645", 0, {"interval_s": 60}),
    (1, "nut-ups", 0, {}),
)


class Over(Exception):
    """Enough was measured."""


def feeds() -> list[Feed]:
    """Thirty devices, each with its own seed."""
    made = []
    for number, driver, every_s, settings in DEVICES:
        for one in range(number):
            rng, step = Random(len(made)), timedelta(seconds=every_s or 60)
            feed = simulated(f"{driver}-{one}", driver, rng, datetime.now(UTC) - step, step, **settings)
            made.append(feed._replace(every_s=every_s))
    return made


def cpu_s(pid: int) -> float:
    """User and system seconds of a process so far (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Resident memory of a process (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measured(stage: Stage) -> list[Figure]:
    """Of an agent whose devices speak."""
    agent = stage.store.agent
    time.sleep(WARM_S)
    cpu, wall, records = cpu_s(agent.pid), time.monotonic(), agent.accepted()
    time.sleep(MEASURED_S)
    spent, passed, more = cpu_s(agent.pid) - cpu, time.monotonic() - wall, agent.accepted() - records
    assert more > MEASURED_S / 2, "the devices hardly spoke"
    return [
        Figure("sensors_devices", len(stage.store.feeds), "devices"),
        Figure("sensors_cpu_pct", 100 * spent / passed, "% of a core"),
        Figure("sensors_memory_mb", memory_mb(agent.pid), "MiB resident"),
        Figure("sensors_records_per_min", 60 * more / passed, "records/min"),
    ]


def main() -> None:
    figures: list[Figure] = []
    with TemporaryDirectory() as folder:
        stage = Stage(Path(folder), feeds())
        try:
            stage.hq.start()
            stage.hq.await_ready()
            stage.store.agent.start()
            stage.store.agent.await_ready()
            with suppress(Over), stage.store.playing():
                figures = measured(stage)
                raise Over
        finally:
            stage.close()
    show(figures)


if __name__ == "__main__":
    main()
