"""One store on this machine: its agent, and simulated devices plugged into it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.simulator import DropWay, PtyWay, PushWay, Way
from simulation.feeds import Feed
from simulation.processes import Agent, Headquarters, wait_for

RETRY_S = 0.2
DRAIN_S = 180.0
BOX = "box-1"


class Store:
    """A store that headquarters lets in. Start the agent, `playing`, `await_taken`, `await_drained`, `stop` it."""

    def __init__(self, hq: Headquarters, name: str, folder: Path, feeds: list[Feed], timezone: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        bundle = folder / "box"
        hq.let_in(name, BOX, bundle, timezone)
        self.name = name
        self.feeds = feeds
        self.agent = Agent(folder, bundle)
        self._folder = folder
        self._ways = {feed.id: self._way(feed) for feed in feeds}
        self.agent.configure(feeds, {feed.id: self._place(feed) for feed in feeds})

    def _way(self, feed: Feed) -> Way:
        match feed.driver:
            case "csv-drop" | "poslog":
                return DropWay(self.drop(feed.id))
            case "hikvision-count":
                return PushWay(f"http://127.0.0.1:{self.agent.port}/push/{feed.id}", RETRY_S)
            case _:
                return PtyWay()

    def drop(self, device: str) -> Path:
        """The folder into which that device's files are dropped."""
        return self._folder / "drop" / device

    def _place(self, feed: Feed) -> dict[str, str]:
        match self._ways[feed.id]:
            case PtyWay() as line:
                return {"port": line.port}
            case DropWay():
                return {"path": str(self.drop(feed.id))}
            case _:
                return {}

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Every device speaks in a thread of its own; waits for all of them."""
        threads = [threading.Thread(target=self._speak, args=(feed,), name=feed.id, daemon=True) for feed in self.feeds]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()

    def _speak(self, feed: Feed) -> None:
        way = self._ways[feed.id]
        for message in feed.messages:
            while isinstance(way, PtyWay) and not way.listening:
                time.sleep(RETRY_S)  # nobody scans at a box that is off
            way.say(message)
            time.sleep(feed.every_s)

    def await_taken(self) -> None:
        """Until the agent has read what its devices said: lines are empty, files are gone."""
        wait_for("the lines to be read", DRAIN_S, lambda: not any(map(_unread, self._ways.values())))
        folders = [self.drop(feed.id) for feed in self.feeds if isinstance(self._ways[feed.id], DropWay)]
        wait_for("dropped files to be taken", DRAIN_S, lambda: not any(map(_files, folders)))

    def await_drained(self) -> None:
        """Until HQ has stored as many records as the agent accepted."""
        wait_for("headquarters to have everything", DRAIN_S, self._drained)

    def _drained(self) -> bool:
        lanes = self.agent.status().get("lanes", [])
        return bool(lanes) and not any(lane.get("rows") for lane in lanes)


def _unread(way: Way) -> bool:
    return isinstance(way, PtyWay) and way.listening and way.unread > 0


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
