"""A headquarters and one store on this machine, with simulated devices plugged into the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.simulator import DropWay, PtyWay, PushWay, Way
from hq.data import Data
from hq.headquarters import database
from simulation.feeds import Feed
from simulation.processes import Agent, Headquarters, wait_for
from simulation.tally import Tally, stored_count, tally

STORE, BOX = "0214", "box-1"
RETRY_S = 0.2
DRAIN_S = 180.0


class Stage:
    """Everything below one folder. Start what is wanted, `play`, `await_drained`, `close`, then `tally`."""

    def __init__(self, folder: Path, feeds: list[Feed], timezone: str = "Asia/Shanghai") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        bundle = folder / "box"
        self.folder = folder
        self.feeds = feeds
        self.hq = Headquarters(folder)
        self.hq.prepare(STORE, BOX, bundle, timezone)
        self.agent = Agent(folder, bundle)
        self._ways = {feed.id: self._way(feed) for feed in feeds}
        self.agent.configure(feeds, {feed.id: self._place(feed) for feed in feeds})

    def _way(self, feed: Feed) -> Way:
        match feed.driver:
            case "csv-drop" | "poslog":
                return DropWay(self._drop(feed))
            case "hikvision-count":
                return PushWay(f"http://127.0.0.1:{self.agent.port}/push/{feed.id}", RETRY_S)
            case _:
                return PtyWay()

    def _drop(self, feed: Feed) -> Path:
        return self.folder / "drop" / feed.id

    def _place(self, feed: Feed) -> dict[str, str]:
        match self._ways[feed.id]:
            case PtyWay() as line:
                return {"port": line.port}
            case DropWay():
                return {"path": str(self._drop(feed))}
            case _:
                return {}

    @property
    def dsn(self) -> str:
        return database(Data(self.hq.data)).dsn()

    @contextmanager
    def playing(self, spread_s: float) -> Iterator[list[threading.Thread]]:
        """Every device speaks in a thread of its own, its messages `spread_s` apart; waits for all of them."""
        threads = [
            threading.Thread(target=self._speak, args=(feed, spread_s), name=feed.id, daemon=True)
            for feed in self.feeds
        ]
        for thread in threads:
            thread.start()
        yield threads
        for thread in threads:
            thread.join()

    def _speak(self, feed: Feed, spread_s: float) -> None:
        way = self._ways[feed.id]
        for message in feed.messages:
            while isinstance(way, PtyWay) and not way.listening:
                time.sleep(RETRY_S)  # nobody scans at a box that is off
            way.say(message)
            time.sleep(spread_s)

    def await_taken(self) -> None:
        """Until the agent has read what its devices said: lines are empty, files are gone."""
        wait_for("the lines to be read", DRAIN_S, lambda: not any(self._unread(way) for way in self._ways.values()))
        folders = [self._drop(feed) for feed in self.feeds if isinstance(self._ways[feed.id], DropWay)]
        wait_for("dropped files to be taken", DRAIN_S, lambda: not any(_files(folder) for folder in folders))

    @staticmethod
    def _unread(way: Way) -> bool:
        return isinstance(way, PtyWay) and way.listening and way.unread > 0

    def await_drained(self) -> None:
        """Until HQ has stored as many records as the agent accepted."""
        wait_for("headquarters to have everything", DRAIN_S, self._drained)

    def _drained(self) -> bool:
        lanes = self.agent.status().get("lanes", [])
        return bool(lanes) and not any(lane.get("rows") for lane in lanes)

    def stored(self) -> int:
        return stored_count(self.dsn)

    def tally(self) -> Tally:
        """Counts both ends; the agent must have stopped, headquarters must run."""
        return tally(self.agent.data / "buffer.db", self.dsn)

    def close(self) -> None:
        """Ends everything that was started."""
        self.agent.stop()
        self.hq.stop()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
