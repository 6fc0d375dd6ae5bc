"""A headquarters and one store on this machine, with simulated devices plugged into the store."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import psycopg

from hq.data import Data
from hq.headquarters import database
from simulation.feeds import Feed
from simulation.processes import Headquarters
from simulation.store import Store
from simulation.tally import Tally, stored_count, tally

STORE, TIMEZONE = "0214", "Asia/Shanghai"


class Stage:
    """Everything below one folder. Start what is wanted, play the store, `close`; what it holds stays for the next."""

    def __init__(self, folder: Path, feeds: list[Feed]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.hq = Headquarters(folder)
        self.stores: list[Store] = []
        self.store = self.add(STORE, feeds)

    def add(self, name: str, feeds: list[Feed]) -> Store:
        """Another store of the same headquarters."""
        self.stores.append(Store(self.hq, name, self.folder / name, feeds, TIMEZONE))
        return self.stores[-1]

    @property
    def dsn(self) -> str:
        return database(Data(self.hq.data)).dsn()

    def stored(self) -> int:
        with psycopg.connect(self.dsn) as db:
            return stored_count(db)

    def tally(self, store: Store) -> Tally:
        """Counts both ends; the store's agent must have stopped, headquarters must run."""
        return tally(store.agent.data / "buffer.db", self.dsn)

    def close(self) -> None:
        """Ends the stores and then headquarters, which so hears their last words."""
        with ExitStack() as stack:
            stack.callback(self.hq.stop)
            for store in self.stores:
                stack.callback(store.agent.stop)
