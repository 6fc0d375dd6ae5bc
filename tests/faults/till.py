"""A store's whole agent with a till's drop folder, and no headquarters that answers: what was dropped, what is kept."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

from cloud_sync.seal.hpke import OpeningKey
from devices.csv_drop.driver import CsvDecoder
from devices.csv_drop.options import Options
from devices.csv_drop.simulator import messages
from devices.driver import Context, Reading
from devices.simulator import Message
from edge_agent.keys import _box
from records.types import PosReturn, PosSale
from simulation.feeds import Feed
from simulation.processes import Agent, Headquarters, Process, Stuck, command
from tests.faults.store_side import TestBox, taken_out

STORE, BOX, TILL = "0214", "box-1", "till-1"
TAKE_S, LOOK_S = 60.0, 0.005


class Verdict(NamedTuple):
    """Tickets that were dropped, and of those: missing from the buffer, and in it more than once."""

    dropped: int
    lost: int
    doubled: int


class Till:
    """The agent reads `drop`; a file leaves it once its tickets are confirmed. files: the tickets of each one made."""

    def __init__(self, folder: Path, seed: int) -> None:
        bundle = folder / "box"
        self._hq = Headquarters(folder)
        self._hq.let_in(STORE, BOX, bundle, "Asia/Shanghai")
        self._agent = Agent(folder, bundle)
        self._bundle, self.config, self.log = bundle, self._agent.yaml, folder / "agent.log"
        self._folder = folder / "drop"
        self._folder.mkdir()
        self._agent.configure([Feed(TILL, "csv-drop", {"settle_s": 0}, iter(()))], {TILL: {"path": str(self._folder)}})
        self._messages = messages(Random(seed), datetime.now(UTC) - timedelta(hours=12), timedelta(seconds=1))
        self.files: dict[str, Counter[str]] = {}

    def agent(self, *under: str) -> Process:
        """The agent as a process, not started yet, perhaps under another program."""
        return Process([*under, command("edge-agent"), "run", "-c", str(self.config)], self.log)

    def drop(self, tickets: int) -> None:
        """Files with at least so many tickets."""
        wanted = self.dropped + tickets
        while self.dropped < wanted:
            (message,) = self.made(1)
            (self._folder / f".{message.name}").write_bytes(message.body)
            (self._folder / f".{message.name}").rename(self._folder / message.name)

    def made(self, files: int) -> list[Message]:
        """The next files, not dropped yet."""
        found = list(islice(self._messages, files))
        options = Options.model_validate({"id": TILL, "driver": "csv-drop", "path": self._folder})
        for message in found:
            decoder = CsvDecoder(options, Context())
            decoder.feed(message.body, datetime.now(UTC))
            items = decoder.end(datetime.now(UTC))
            self.files[message.name] = Counter(item.data.source_id for item in items if isinstance(item, Reading))
        return found

    @property
    def dropped(self) -> int:
        """Tickets in all files so far."""
        return sum(tickets.total() for tickets in self.files.values())

    @property
    def taken(self) -> int:
        """Tickets in files that have left the folder."""
        there = {path.name for path in self._folder.iterdir()}
        return sum(tickets.total() for name, tickets in self.files.items() if name not in there)

    def await_taken(self, tickets: int, process: Process) -> bool:
        """Until so many are taken, or the agent ended; whether they were."""
        until = time.monotonic() + TAKE_S
        while self.taken < tickets and process.running:
            if time.monotonic() > until:
                raise Stuck(f"waited {TAKE_S:.0f} s for the till to be read")
            time.sleep(LOOK_S)
        return self.taken >= tickets

    def verdict(self) -> Verdict:
        """What the buffer holds of what was dropped; no agent may run."""
        found = self.kept(self._agent.data)
        wanted = sum(self.files.values(), Counter[str]())
        return Verdict(wanted.total(), (wanted - found).total(), (found - wanted).total())

    def kept(self, folder: Path) -> Counter[str]:
        """The tickets in the buffer of this agent that lies in a folder."""
        (opening,) = (self._hq.data / "keys").glob("seal-*.key")
        box = TestBox(OpeningKey.load(opening), _box(self._bundle / "box.key"))
        records = [record.data for record in taken_out(folder, box)]
        return Counter(data.source_id for data in records if isinstance(data, PosSale | PosReturn))
