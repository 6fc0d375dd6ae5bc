"""A store's backlog on its way: 200,000 sealed records from the buffer over broker and ingest into committed rows,
beside one bare COPY of the same rows into tables like them.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.buffer import till_lines
from benchmarks.figures import Figure, show
from benchmarks.scene import WAIT_S, Scene, bare_copy
from simulation.processes import wait_for

RECORDS = 200_000


def main() -> None:
    with TemporaryDirectory() as folder, Scene(Path(folder)) as scene:
        numbers = scene.fill(till_lines(RECORDS))
        scene.agent.start()
        wait_for("the first records", WAIT_S, scene.stored)
        began, before = time.perf_counter(), scene.stored()
        wait_for("the whole backlog", WAIT_S, lambda: scene.stored() >= numbers)
        rate = (numbers - before) / (time.perf_counter() - began)
        scene.agent.stop()
        show([Figure("drain_per_s", rate, "records/s", bare_copy(scene.dsn))])


if __name__ == "__main__":
    main()
