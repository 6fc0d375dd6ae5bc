"""What thirty devices at their usual rates cost: the real agent, sealing and sending, against simulated devices.

Minutes long. Only the agent's process is measured, from a while after its start; devices and headquarters are others.
Its baseline is an agent without any device, at the same time.
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
from simulation.processes import Agent
from simulation.stage import Stage

WARM_S = 30.0
MEASURED_S = 180.0
IDLE = "idle"
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
    made: list[Feed] = []
    for number, driver, every_s, settings in DEVICES:
        for one in range(number):
            rng, step = Random(len(made)), timedelta(seconds=every_s or 60)
            feed = simulated(f"{driver}-{one}", driver, rng, datetime.now(UTC) - step, step, **settings)
            made.append(feed._replace(every_s=every_s))
    return made


def cpu_s(agent: Agent) -> float:
    """User and system seconds of its process so far (proc(5), stat)."""
    fields = Path(f"/proc/{agent.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(agent: Agent) -> float:
    """Resident memory of its process (proc(5), statm)."""
    pages = int(Path(f"/proc/{agent.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measured(busy: Agent, idle: Agent, devices: int) -> list[Figure]:
    """Both agents over the same time, while the devices of one speak."""
    time.sleep(WARM_S)
    began, records, before = time.monotonic(), busy.accepted(), [cpu_s(busy), cpu_s(idle)]
    time.sleep(MEASURED_S)
    passed, more = time.monotonic() - began, busy.accepted() - records
    share, least = (100 * (cpu_s(agent) - spent) / passed for agent, spent in zip((busy, idle), before, strict=True))
    assert more > MEASURED_S / 2, "the devices hardly spoke"
    return [
        Figure("sensors_devices", devices, "devices"),
        Figure("sensors_cpu_pct", share, "% of a core", least),
        Figure("sensors_memory_mb", memory_mb(busy), "MiB resident", memory_mb(idle)),
        Figure("sensors_records_per_min", 60 * more / passed, "records/min"),
    ]


def main() -> None:
    figures: list[Figure] = []
    with TemporaryDirectory() as folder:
        stage = Stage(Path(folder), feeds())
        idle = stage.add(IDLE, []).agent
        try:
            stage.hq.start()
            stage.hq.await_ready()
            for store in stage.stores:
                store.agent.start()
                store.agent.await_ready()
            with suppress(Over), stage.store.playing():
                figures = measured(stage.store.agent, idle, len(stage.store.feeds))
                raise Over
        finally:
            stage.close()
    show(figures)


if __name__ == "__main__":
    main()
