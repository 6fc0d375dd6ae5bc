"""Playing seeds, one after the other or on several cores."""

from __future__ import annotations

import gc
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from simulation.world.agenda import Stuck
from simulation.world.plan import plan_of
from simulation.world.sealing import Violation
from simulation.world.world import Result, World

MEMORY = Path("/dev/shm")  # noqa: S108 (a file system in memory, where there is one)
CHUNK = 5


def play(seed: int, lines: list[str] | None) -> Result:
    """Plays a seed. lines: gets the trace where it is wanted. A bug passes through, and stderr names the seed."""
    folder = Path(tempfile.mkdtemp(prefix="world-", dir=MEMORY if MEMORY.is_dir() else None))
    told = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # what the product says of faults that are meant
    gc.disable()  # a seed is short, and what it leaves is collected at once afterwards
    try:
        with ExitStack() as cut_short:
            cut_short.callback(print, replay(seed), file=sys.stderr, flush=True)
            result = _played(World(plan_of(seed), folder, lines))
            cut_short.pop_all()
        return result
    finally:
        gc.enable()
        logging.disable(told)
        shutil.rmtree(folder)


def _played(world: World) -> Result:
    fault = ""
    try:
        world.run()
    except (Violation, Stuck) as broken:
        fault = str(broken)
    finally:
        world.close()
    scene = world.scene
    return Result(scene.plan.seed, fault, scene.trace.hash, scene.agenda.steps, scene.counts)


def play_many(first: int, seeds: int, jobs: int) -> Iterator[Result]:
    """Seeds in order, on so many cores."""
    if jobs == 1:
        yield from (play(seed, None) for seed in range(first, first + seeds))
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(play, range(first, first + seeds), [None] * seeds, chunksize=CHUNK)


def replay(seed: int) -> str:
    """How a person sees the same again."""
    return f"seed {seed}; see it again: python -m simulation.world --first {seed} --seeds 1 --trace"
