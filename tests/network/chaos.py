"""Stores and a headquarters inside a network namespace, while the line fails in every way, parts are killed and the
stores' clock jumps. Prints a JSON object: what was done, and what both ends count once it is over.

A fault strikes a line in use: before each one a store has had headquarters' receipt since the one before. It lasts
until it is seen to have struck: packets that were dropped, refused or made to wait, bytes that were held, connections
that were cut, a part under another process id, the jump in headquarters' table. One that is not seen does not count.

On a slow machine a run goes on for up to `MORE_S` until it has seen `FEWEST` kinds of faults strike.

There are several stores since one alone may stay away for minutes: when its database was away, headquarters has its
stores spread their returns for as long as a large fleet needs, and an agent that is killed then keeps to that.

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
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg
import yaml

from devices.simulator import Message
from hq.data import Data
from simulation.feeds import Feed, simulated
from simulation.processes import Agent, Stuck, wait_for
from simulation.stage import Stage
from tests.network import weather
from tests.network.proxy import Proxy, Way

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
MORE_STORES = "0215", "0216"
SPELL_S = 3.0  # how long a fault lasts at least
STRIKE_S = 20.0  # and at most, until it is seen to strike
LINE_S = 300.0  # until a line is in use again
LOST = 10  # packets
YEARS = timedelta(days=3650)
FEWEST, MORE_S = 5, 120.0
DRAIN_S = 600.0  # the returns that headquarters spreads, and what waited for them


class Clock:
    """The stores' wall clock, which jumps while the one that counts seconds goes on."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(timedelta(0))

    def set(self, ahead: timedelta) -> None:
        fresh = self._file.with_suffix(".fresh")
        fresh.write_text(f"{ahead.days:+d}d\n")
        fresh.replace(self._file)

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


class Chaos:
    """One run. played: how often each fault was tried; happened: how often it was seen to strike a line in use."""

    def __init__(self, folder: Path, seed: int, seconds: float) -> None:
        self.random, self.seconds = Random(seed), seconds
        self.played: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.over = time.monotonic() + seconds
        self.clock = Clock(folder)
        self.stage = Stage(folder, self._feeds(seed))
        for place, name in enumerate(MORE_STORES, 1):
            self.stage.add(name, self._feeds(seed + place))
        self.agents = [store.agent for store in self.stage.stores]
        self.proxy = Proxy(Data(self.stage.hq.data).settings().mqtt_port)
        for agent in self.agents:
            self._plug_in(agent)

    def _plug_in(self, agent: Agent) -> None:
        """Into the proxy instead of the broker."""
        said = yaml.safe_load(agent.yaml.read_text())
        said["hq"]["brokers"] = [f"mqtts://localhost:{self.proxy.port}"]
        agent.yaml.write_text(yaml.safe_dump(said))

    def _feeds(self, seed: int) -> list[Feed]:
        return [self._going(feed) for feed in _feeds(seed)]

    def _going(self, feed: Feed) -> Feed:
        """Says something until the run is over."""

        def messages() -> Iterator[Message]:
            yield from itertools.takewhile(lambda _: self._going_on, feed.messages)

        return feed._replace(messages=messages())

    @property
    def _going_on(self) -> bool:
        more = 0.0 if len(self.happened) >= FEWEST else MORE_S
        return time.monotonic() < self.over + more

    def run(self) -> None:
        self.stage.hq.start()
        self.stage.hq.await_ready()
        for agent in self.agents:
            self._start(agent)
        for agent in self.agents:
            agent.await_ready()
        self.over = time.monotonic() + self.seconds
        with ExitStack() as devices:
            for store in self.stage.stores:
                devices.enter_context(store.playing())
            self._play()
        self.clock.set(timedelta(0))
        for store in self.stage.stores:
            store.await_taken()
        wait_for("headquarters to have everything", DRAIN_S, self._drained)

    def _play(self) -> None:
        faults = self._faults()
        order: list[str] = []
        while self._in_use():
            order = order or self.random.sample(sorted(faults), len(faults))
            name = order.pop()
            self.played[name] += 1
            if faults[name]():
                self.happened[name] += 1

    def _in_use(self) -> bool:
        """Waits for a receipt that was not there before; False when the run is over."""
        before = self._receipts()

        def over_or_heard() -> bool:
            time.sleep(0.2)
            now = self._receipts().items()
            return not self._going_on or any(before.setdefault(place, at) != at for place, at in now)

        wait_for("a store to have a receipt", LINE_S, over_or_heard)
        return self._going_on

    def _receipts(self) -> dict[int, int | None]:
        """When each agent that answers had its last, by its own clock."""
        links = [agent.status().get("link") for agent in self.agents]
        return {place: link["last_receipt_us"] for place, link in enumerate(links) if link}

    def _drained(self) -> bool:
        lanes = [agent.status().get("lanes", []) for agent in self.agents]
        return all(lanes) and not any(lane.get("rows") for each in lanes for lane in each)

    def report(self) -> dict[str, object]:
        for agent in self.agents:
            agent.stop()
        tallies = [self.stage.tally(store) for store in self.stage.stores]
        counts = {
            "accepted": sum(each.accepted for each in tallies),
            "stored": sum(each.stored for each in tallies),
            "lost": sum(each.lost for each in tallies),
            "duplicated": sum(each.duplicated for each in tallies),
            "sales_twice": sum(each.sales_twice for each in tallies),
            "clock_steps": sum(each.by_type.get("clock.step", 0) for each in tallies),
        }
        return {"played": self.played, "happened": self.happened, **counts}

    # --- faults: each gives whether it was seen to strike ---

    def _faults(self) -> dict[str, Callable[[], bool]]:
        lossy = "numgen random mod 100 < 20 counter drop"
        return {
            "loss": lambda: self._filter(LOST, f"{{dport}} {lossy}", f"{{sport}} {lossy}"),
            "partition": lambda: self._filter(1, "{dport} counter drop", "{sport} counter drop"),
            "blackhole": lambda: self._filter(1, "{sport} counter drop"),
            "refusal": lambda: self._filter(1, "{dport} counter reject with tcp reset"),
            "slow line": self._slow,
            "reset": self._cut,
            "dribble": lambda: self._on_the_way(Way.DRIBBLE, lambda: self.proxy.dribbled),
            "held": lambda: self._on_the_way(Way.HOLD, lambda: self.proxy.held),
            "agent": self._kill_agent,
            **{part: lambda part=part: self._kill(part) for part in ("ingest", "broker", "database")},  # type: ignore[misc]
            "clock forward": lambda: self._jump(YEARS),
            "clock back": lambda: self._jump(-YEARS),
        }

    def _filter(self, enough: int, *rules: str) -> bool:
        with weather.filtered(self.proxy.port, *rules) as met:
            return _struck(met, enough)

    def _slow(self) -> bool:
        with weather.slow(self.proxy.port, "64kbit") as waited:
            time.sleep(SPELL_S)
            return _struck(waited, 1)

    def _cut(self) -> bool:
        before = self.proxy.cuts
        self.proxy.cut()
        return _struck(lambda: self.proxy.cuts - before, 1)

    def _on_the_way(self, way: Way, count: Callable[[], int]) -> bool:
        before = count()
        self.proxy.way = way
        struck = _struck(lambda: count() - before, 1)
        self.proxy.way = Way.PASS
        return struck

    def _jump(self, ahead: timedelta) -> bool:
        there = datetime.now(UTC) + ahead
        self.clock.set(ahead)
        struck = _struck(lambda: self._steps(there), 1)
        self.clock.set(timedelta(0))
        return struck

    def _steps(self, there: datetime) -> int:
        """Steps to this time, or to what it has become since, in headquarters' table."""
        query = "SELECT count(*) FROM clock_step WHERE after BETWEEN %s AND %s"
        with psycopg.connect(self.stage.dsn) as connection:
            (count,) = connection.execute(query, [there, there + timedelta(minutes=1)]).fetchone() or (0,)
        return int(count)

    def _kill(self, part: str) -> bool:
        self.stage.hq.kill_part(part)
        return True

    def _kill_agent(self) -> bool:
        agent = self.random.choice(self.agents)
        agent.kill()
        self._start(agent)
        agent.await_ready()
        return True

    def _start(self, agent: Agent) -> None:
        faked = self.clock.environment()
        os.environ.update(faked)
        try:
            agent.start()
        finally:
            for name in faked:
                del os.environ[name]


def _struck(times: Callable[[], int], enough: int) -> bool:
    """Whether a fault strikes so often before it has lasted for long; it lasts for a spell at least."""
    time.sleep(SPELL_S)
    with suppress(Stuck):
        return wait_for("the fault to strike", STRIKE_S, lambda: times() >= enough)
    return False


def _feeds(seed: int) -> list[Feed]:
    """A till, a scanner, a thermometer and a door that have something to say all the time."""
    opens = datetime.now(UTC) - timedelta(hours=2)
    rng, step = Random(seed), timedelta(seconds=1)
    return [
        simulated("till-1", "csv-drop", rng, opens, step, settle_s=0)._replace(every_s=2.0),
        simulated("scan-1", "scanner-serial", rng, opens, step, role="sale")._replace(every_s=0.06),
        simulated("gate-1", "ir-thermometer", rng, opens, step)._replace(every_s=0.15),
        simulated("door-1", "hikvision-count", rng, opens, step)._replace(every_s=0.5),
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
