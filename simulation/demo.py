"""`scripts/demo`: a headquarters and one store on this machine. Live until Ctrl-C, or a day at once with `--once`."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from simulation.chaos import Chaos, Gate
from simulation.feeds import Feed, generated_day, sampled_day, simulated
from simulation.processes import Stuck, wait_for
from simulation.stage import TIMEZONE, Stage

LEAST = 10_000
HALF_S = 120.0
_ZONE = ZoneInfo(TIMEZONE)


def parser() -> ArgumentParser:
    top = ArgumentParser("scripts/demo", description="A headquarters and one store with simulated devices.")
    top.add_argument(
        "--once", action="store_true", help="play one day, count both ends, exit 0 only if nothing is lost"
    )
    top.add_argument("--json", action="store_true", help="with --once: the last line is one JSON object")
    top.add_argument("--samples", type=Path, metavar="DIR", help="with --once: play the recorded samples in DIR")
    top.add_argument(
        "--data", type=Path, help="where its data stay; else demo-data, and with --once a place that is cleared away"
    )
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
    opens = datetime.now(_ZONE).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=1)
    feeds = sampled_day(args.samples, args.seed, opens) if args.samples else generated_day(args.seed, opens)
    kills = {name: int(times) for name, times in (part.split("=") for part in args.kill.split(",") if part)}
    with nullcontext(args.data) if args.data else TemporaryDirectory(prefix="store-edge-demo-") as folder:
        gate = Gate()
        stage = Stage(Path(folder).absolute(), [gate.through(feed) for feed in feeds])
        began = time.monotonic()
        try:
            outcome = play(Chaos(stage, gate, Random(args.seed), kills), offline_first=args.offline_first)
        finally:
            _deaf()
            stage.close()
    outcome["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(outcome) if args.json else "\n".join(f"{name}: {value}" for name, value in outcome.items()))
    bad = outcome["lost"] or outcome["duplicated"] or outcome["sales_twice"] or outcome["accepted"] < LEAST
    return 1 if bad else 0


def play(chaos: Chaos, *, offline_first: bool) -> dict[str, Any]:
    """A day on the stage of `chaos`, and what both ends count; leaves headquarters running."""
    stage, store = chaos.stage, chaos.stage.store
    if not offline_first:
        _start_headquarters(stage)
    _say("demo: starting the store")
    store.agent.start()
    store.agent.await_ready()
    _say("demo: the devices speak")
    with store.playing():
        if offline_first:
            _half_without_headquarters(chaos)
        chaos.run()
    _say("demo: the day is over; waiting until headquarters has all of it")
    store.await_taken()
    store.await_drained()
    store.agent.stop()
    return {**stage.tally(store)._asdict(), "kills": chaos.moved}


def _start_headquarters(stage: Stage) -> None:
    _say("demo: starting headquarters: broker, database, ingest, console")
    stage.hq.start()
    stage.hq.await_ready()


def _half_without_headquarters(chaos: Chaos) -> None:
    """Nothing answers while half of a day goes into the buffer."""
    agent = chaos.stage.store.agent
    chaos.gate.open(0.5)
    half = wait_for("half of a day to be accepted", HALF_S, lambda: (n := agent.accepted()) >= LEAST * 0.4 and n)
    _say(f"demo: {half} records accepted without headquarters")
    _start_headquarters(chaos.stage)


# --- live ----------------------------------------------------------------------------------------------------------


def _live(args: Namespace) -> int:
    stage = Stage((args.data or Path("demo-data")).absolute(), _live_feeds())
    try:
        _start_headquarters(stage)
        _say(f"demo: starting store 0214 with {len(stage.store.feeds)} devices: tills, a scanner, doors, thermometers…")
        stage.store.agent.start()
        stage.store.agent.await_ready()
        print(f"console: {stage.hq.facts['console']}   (Ctrl-C stops everything)", flush=True)
        with suppress(KeyboardInterrupt), stage.store.playing():
            threading.Event().wait()
    finally:
        _deaf()
        _say("demo: stopping")
        stage.close()
    return 0


def _live_feeds() -> list[Feed]:
    rng, now = SystemRandom(), datetime.now(_ZONE)

    def live(id_: str, name: str, every_s: float, **settings: Any) -> Feed:
        every = timedelta(seconds=every_s)
        return simulated(id_, name, rng, now - every, every, **settings)._replace(every_s=every_s)

    return [
        live("till-1", "csv-drop", 5, settle_s=0),
        live("till-2", "poslog", 7, settle_s=0),
        live("scan-1", "scanner-serial", 2, role="sale"),
        live("door-1", "hikvision-count", 60),
        live("gate-1", "ir-thermometer", 3),
        live("scale-1", "scale", 4),
        live("counter-1", "dahua-count", 10, interval_s=10),
        live("freezer-1", "w1-thermometer", 10, interval_s=10),
        live("cold-1", "modbus", 0, interval_s=10),
        live("meter-1", "dlt645", 0, interval_s=60),
        live("ups-1", "nut-ups", 0),
        live("punch-1", "zkteco", 0, timezone="UTC"),
    ]


def _deaf() -> None:
    """A second Ctrl-C must not leave half of it running."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
