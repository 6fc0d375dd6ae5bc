"""`scripts/demo`: a headquarters and one store on this machine. Live until Ctrl-C, or a day at once with `--once`."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory
from typing import Any

from simulation.chaos import Chaos
from simulation.feeds import Feed, generated_day, sampled_day, simulated
from simulation.processes import Stuck
from simulation.stage import Stage

LEAST = 10_000
LIVE_STEP_S = 2.0


def parser() -> ArgumentParser:
    top = ArgumentParser("scripts/demo", description="A headquarters and one store with simulated devices.")
    top.add_argument(
        "--once", action="store_true", help="play one day, count both ends, exit 0 only if nothing is lost"
    )
    top.add_argument("--json", action="store_true", help="with --once: the last line is one JSON object")
    top.add_argument("--samples", type=Path, metavar="DIR", help="with --once: play the recorded samples in DIR")
    top.add_argument("--data", type=Path, default=Path("demo-data"), help="where a live demo keeps its data")
    top.add_argument("--seed", type=int, default=1, help="of everything made up")
    top.add_argument(
        "--kill", default="", metavar="PART=N,…", help="with --once: SIGKILL agent, ingest, broker, database"
    )
    top.add_argument("--offline-first", action="store_true", help="with --once: no headquarters during the first half")
    return top


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _once(args) if args.once else _live(args)
    except Stuck as stuck:
        _say(f"demo: {stuck}")
        return 1
    except KeyboardInterrupt:
        return 130 if args.once else 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# --- a day at once -------------------------------------------------------------------------------------------------


def _once(args: Namespace) -> int:
    opens = datetime.now(UTC).replace(hour=1, minute=0, second=0, microsecond=0) - timedelta(days=1)
    feeds = sampled_day(args.samples, args.seed, opens) if args.samples else generated_day(args.seed, opens)
    with TemporaryDirectory(prefix="store-edge-demo-") as folder:
        stage = Stage(Path(folder), feeds)
        began = time.monotonic()
        try:
            outcome = _day(stage, args)
        finally:
            stage.close()
    outcome["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(outcome) if args.json else "\n".join(f"{name}: {value}" for name, value in outcome.items()))
    bad = outcome["lost"] or outcome["duplicated"] or outcome["sales_twice"] or outcome["accepted"] < LEAST
    return 1 if bad else 0


def _day(stage: Stage, args: Namespace) -> dict[str, Any]:
    kills = {name: int(times) for name, times in (part.split("=") for part in args.kill.split(",") if part)}
    chaos = Chaos(stage, Random(args.seed), kills)
    if not args.offline_first:
        _start_headquarters(stage)
    _say("demo: starting the store")
    stage.agent.start()
    stage.agent.await_ready()
    _say("demo: the devices speak")
    with stage.playing(0.02 if kills else 0.0):
        if args.offline_first:
            _half_without_headquarters(stage)
        chaos.run()
    _say("demo: the day is over; waiting until headquarters has all of it")
    stage.await_taken()
    stage.await_drained()
    stage.agent.stop()
    return {**stage.tally()._asdict(), "kills": chaos.moved}


def _start_headquarters(stage: Stage) -> None:
    _say("demo: starting headquarters: broker, database, ingest, console")
    stage.hq.start()
    stage.hq.await_ready()


def _half_without_headquarters(stage: Stage) -> None:
    """Nothing answers until half of a day is in the buffer."""
    while stage.agent.accepted() < LEAST // 2:
        time.sleep(0.1)
    _say(f"demo: {stage.agent.accepted()} records accepted without headquarters")
    _start_headquarters(stage)


# --- live ----------------------------------------------------------------------------------------------------------


def _live(args: Namespace) -> int:
    stage = Stage(args.data.absolute(), _live_feeds())
    stop = threading.Event()
    try:
        _start_headquarters(stage)
        _say("demo: starting store 0214 with a till, a scanner, a door counter and a thermometer")
        stage.agent.start()
        stage.agent.await_ready()
        print(f"console: {stage.hq.facts['console']}   (Ctrl-C stops everything)", flush=True)
        with suppress(KeyboardInterrupt), stage.playing(LIVE_STEP_S):
            stop.wait()
    finally:
        _say("demo: stopping")
        stage.close()
    return 0


def _live_feeds() -> list[Feed]:
    now, step, rng = datetime.now(UTC), timedelta(seconds=LIVE_STEP_S), SystemRandom()
    return [
        simulated("till-1", "csv-drop", rng, now, step, settle_s=0),
        simulated("till-2", "poslog", rng, now, step, settle_s=0),
        simulated("scan-1", "scanner-serial", rng, now, step, role="receiving"),
        simulated("door-1", "hikvision-count", rng, now, step),
        simulated("gate-1", "ir-thermometer", rng, now, step),
    ]


if __name__ == "__main__":
    sys.exit(main())
