"""A store and a headquarters inside a network namespace, while the line fails in every way, parts are killed and the
store's clock jumps. Prints a JSON object: what was done, and what both ends count once it is over.

    unshare --net python chaos.py FOLDER SEED SECONDS
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg
import yaml

from devices.simulator import Message
from hq.data import Data
from simulation.feeds import Feed, simulated
from simulation.processes import Stuck, wait_for
from simulation.stage import Stage
from tests.network import weather
from tests.network.proxy import Proxy, Way

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
SPELL_S = 3.0  # how long a fault lasts
YEARS = 10 * 365
DRAIN_S = 300.0


class Clock:
    """The store's wall clock, which jumps while the one that counts seconds goes on."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)

    def set(self, days: int) -> None:
        fresh = self._file.with_suffix(".fresh")
        fresh.write_text(f"{days:+d}d\n")
        fresh.replace(self._file)

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


class Chaos:
    """One run. happened: how often each fault was seen to strike; moved: records stored between faults."""

    def __init__(self, folder: Path, seed: int, seconds: float) -> None:
        self.random, self.seconds = Random(seed), seconds
        self.happened: Counter[str] = Counter()
        self.over = time.monotonic() + seconds
        self.clock = Clock(folder)
        self.stage = Stage(folder, [self._going(feed) for feed in _feeds(seed)])
        self.proxy = Proxy(Data(self.stage.hq.data).settings().mqtt_port)
        config = self.stage.store.agent.yaml
        said = yaml.safe_load(config.read_text())
        said["hq"]["brokers"] = [f"mqtts://localhost:{self.proxy.port}"]
        config.write_text(yaml.safe_dump(said))

    def _going(self, feed: Feed) -> Feed:
        """Says something until the run is over."""

        def messages() -> Iterator[Message]:
            yield from itertools.takewhile(lambda _: time.monotonic() < self.over, feed.messages)

        return feed._replace(messages=messages())

    def run(self) -> None:
        self.stage.hq.start()
        self.stage.hq.await_ready()
        self._start_agent()
        self.stage.store.agent.await_ready()
        self.over = time.monotonic() + self.seconds
        faults = self._faults()
        with self.stage.store.playing():
            order: list[str] = []
            while time.monotonic() < self.over:
                order = order or self.random.sample(sorted(faults), len(faults))
                name = order.pop()
                with suppress(Stuck):
                    before = self.stage.stored()
                    wait_for("records to move", 8.0, lambda before=before: self.stage.stored() > before)  # type: ignore[misc]
                self.happened[name] += faults[name]() > 0
        self.clock.set(0)
        self.stage.store.await_taken()
        wait_for("headquarters to have everything", DRAIN_S, self._drained)

    def _drained(self) -> bool:
        lanes = self.stage.store.agent.status().get("lanes", [])
        return bool(lanes) and not any(lane.get("rows") for lane in lanes)

    def report(self) -> dict[str, object]:
        self.stage.store.agent.stop()
        with psycopg.connect(self.stage.dsn) as connection:
            steps = connection.execute("SELECT count(*) FROM clock_step").fetchone() or (0,)
        tally = self.stage.tally(self.stage.store)._asdict()
        return {"happened": dict(self.happened), "clock_steps": steps[0], **tally}

    # --- faults: each gives how often it was seen to strike ---

    def _faults(self) -> dict[str, Callable[[], int]]:
        lossy = "numgen random mod 100 < 20 counter drop"
        return {
            "loss": lambda: self._filter(f"{{dport}} {lossy}", f"{{sport}} {lossy}"),
            "partition": lambda: self._filter("{dport} counter drop", "{sport} counter drop"),
            "blackhole": lambda: self._filter("{sport} counter drop"),
            "refusal": lambda: self._filter("{dport} counter reject with tcp reset"),
            "slow line": self._slow,
            "reset": self._cut,
            "dribble": lambda: self._on_the_way(Way.DRIBBLE, lambda: self.proxy.dribbled),
            "held": lambda: self._on_the_way(Way.HOLD, lambda: self.proxy.held),
            "agent": self._kill_agent,
            **{part: lambda part=part: self._kill(part) for part in ("ingest", "broker", "database")},  # type: ignore[misc]
            "clock forward": lambda: self._jump(YEARS),
            "clock back": lambda: self._jump(-YEARS),
        }

    def _filter(self, *rules: str) -> int:
        with weather.filtered(self.proxy.port, *rules) as met:
            time.sleep(SPELL_S)
        return sum(met)

    def _slow(self) -> int:
        with weather.slow(self.proxy.port, "64kbit") as sent:
            time.sleep(2 * SPELL_S)
        return sum(sent)

    def _cut(self) -> int:
        before = self.proxy.cuts
        self.proxy.cut()
        time.sleep(0.5)
        return self.proxy.cuts - before

    def _on_the_way(self, way: Way, count: Callable[[], int]) -> int:
        before = count()
        self.proxy.way = way
        time.sleep(SPELL_S)
        self.proxy.way = Way.PASS
        return count() - before

    def _jump(self, days: int) -> int:
        self.clock.set(days)
        time.sleep(SPELL_S)
        self.clock.set(0)
        time.sleep(1.0)
        return 1

    def _kill(self, part: str) -> int:
        self.stage.hq.kill_part(part)
        return 1

    def _kill_agent(self) -> int:
        self.stage.store.agent.kill()
        self._start_agent()
        self.stage.store.agent.await_ready()
        return 1

    def _start_agent(self) -> None:
        faked = self.clock.environment()
        os.environ.update(faked)
        try:
            self.stage.store.agent.start()
        finally:
            for name in faked:
                del os.environ[name]


def _feeds(seed: int) -> list[Feed]:
    """A till, a scanner, a thermometer and a door that have something to say all the time."""
    opens = datetime.now(UTC) - timedelta(hours=2)
    rng, step = Random(seed), timedelta(seconds=1)
    return [
        simulated("till-1", "csv-drop", rng, opens, step, settle_s=0)._replace(every_s=1.0),
        simulated("scan-1", "scanner-serial", rng, opens, step, role="sale")._replace(every_s=0.02),
        simulated("gate-1", "ir-thermometer", rng, opens, step)._replace(every_s=0.05),
        simulated("door-1", "hikvision-count", rng, opens, step)._replace(every_s=0.2),
    ]


def main(folder: str, seed: str, seconds: str) -> None:
    weather.prepare()
    chaos = Chaos(Path(folder), int(seed), float(seconds))
    try:
        chaos.run()
        print(json.dumps(chaos.report()))
    finally:
        chaos.stage.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
