"""Kills the whole agent at random moments while it empties a till's drop folder, and looks what is in its buffer.

    python -m tests.faults.agent_kills FOLDER SEED KILLS HOW

HOW: `command` starts `edge-agent run` anew for each life; `forked` runs the same in forks of this process, which has
imported everything already. Prints a JSON object: what was done, and what was found.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from random import Random

from edge_agent import cli, daemon, run
from simulation.processes import Process
from tests.faults.till import Till

WARM = (daemon, run)
MOVED = 10
LONGEST_S = 0.05


class Forked:
    """`edge-agent run` in a fork of this process; used as a `Process` is."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self._log = log
        self._child = 0

    def start(self) -> None:
        self._child = os.fork()
        if not self._child:
            log = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os._exit(cli.main(["run", "-c", str(self._config)]))

    @property
    def running(self) -> bool:
        return not os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    def kill(self) -> None:
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)


def main(folder: str, seed: str, kills: str, how: str) -> None:
    till, random, began = Till(Path(folder), int(seed)), Random(int(seed)), time.monotonic()
    moved = []
    for last in [False] * int(kills) + [True]:
        before = till.taken
        till.drop(4 * MOVED)
        agent: Forked | Process = Forked(till.config, till.log) if how == "forked" else till.agent()
        agent.start()
        if not till.await_taken(till.dropped if last else before + MOVED, agent):
            raise SystemExit(f"the agent has ended by itself; see {till.log}")
        time.sleep(random.uniform(0, LONGEST_S))  # where in its work the kill finds it
        agent.kill()
        moved.append(till.taken - before)
    verdict = till.verdict()
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps(verdict._asdict() | {"kills": len(moved) - 1, "fewest": min(moved[:-1]), "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
