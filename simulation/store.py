"""One store on this machine: its agent, and simulated devices plugged into it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from devices.registry import driver
from devices.serve_way import ServeWay
from devices.simulator import DropWay, FileWay, Message, PtyWay, PushWay, Way
from simulation.asked import Asked, AskedLine, AskedPort
from simulation.feeds import Feed
from simulation.processes import Agent, Headquarters, wait_for

RETRY_S = 0.2
DRAIN_S = 180.0
LEAST_ASKED = 3
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
        self._asked = {feed.id: asked for feed in feeds if (asked := _asked(feed))}
        self._ways = {feed.id: self._way(feed) for feed in feeds if feed.id not in self._asked}
        self.agent.configure(feeds, {feed.id: self._place(feed) for feed in feeds})

    def _way(self, feed: Feed) -> Way:
        first = _first(feed.driver)
        match first.way:
            case "drop":
                return DropWay(self.drop(feed.id))
            case "file":
                files = FileWay(self.drop(feed.id))
                files.say(first)  # the kernel shows what is plugged in from the start
                return files
            case "push":
                return PushWay(f"http://127.0.0.1:{self.agent.port}/push/{feed.id}", RETRY_S)
            case "serve":
                return ServeWay(("127.0.0.1", 0), None)
            case _:
                return PtyWay()

    def drop(self, device: str) -> Path:
        """The folder into which that device's files go."""
        return self._folder / "drop" / device

    def _place(self, feed: Feed) -> dict[str, str | int]:
        if asked := self._asked.get(feed.id):
            return asked.place
        match self._ways[feed.id]:
            case PtyWay() as line:
                return {"port": line.port}
            case DropWay() | FileWay():
                return {"path": str(self.drop(feed.id))}
            case ServeWay() as server:
                return {"url": server.url}
            case _:
                return {}

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Every device speaks in a thread of its own; waits for all of them, and until all that answer were asked.

        Then what is asked is switched off, so that the day ends.
        """
        for asked in self._asked.values():
            asked.start()
        spoken = [feed for feed in self.feeds if feed.id in self._ways]
        threads = [threading.Thread(target=self._speak, args=(feed,), name=feed.id, daemon=True) for feed in spoken]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()
        devices = [asked.device for asked in self._asked.values()]
        wait_for("devices to be asked", DRAIN_S, lambda: all(device.answers >= LEAST_ASKED for device in devices))
        for device in devices:
            device.on = False

    def _speak(self, feed: Feed) -> None:
        way = self._ways[feed.id]
        for message in feed.messages:
            while isinstance(way, PtyWay) and not way.listening:
                time.sleep(RETRY_S)  # nobody scans at a box that is off
            way.say(message)
            time.sleep(feed.every_s)
        if isinstance(way, ServeWay):
            way.close()
        elif isinstance(way, FileWay):
            shutil.rmtree(self.drop(feed.id))

    def await_taken(self) -> None:
        """Until the agent has read what its devices said: lines are empty, files are gone, who is asked is known to be
        off, so that nothing more is told.
        """
        wait_for("the lines to be read", DRAIN_S, lambda: not any(map(_unread, self._ways.values())))
        folders = [self.drop(id_) for id_, way in self._ways.items() if isinstance(way, DropWay)]
        wait_for("dropped files to be taken", DRAIN_S, lambda: not any(map(_files, folders)))
        asked = {id_ for id_, way in self._ways.items() if isinstance(way, ServeWay | FileWay)} | self._asked.keys()
        wait_for("devices to be known to be off", DRAIN_S, lambda: asked <= self._down())

    def _down(self) -> set[str]:
        return {told["id"] for told in self.agent.status().get("devices", []) if told["state"] == "down"}

    def await_drained(self) -> None:
        """Until HQ has stored as many records as the agent accepted."""
        wait_for("headquarters to have everything", DRAIN_S, self._drained)

    def _drained(self) -> bool:
        lanes = self.agent.status().get("lanes", [])
        return bool(lanes) and not any(lane.get("rows") for lane in lanes)


def _first(name: str) -> Message:
    """What a driver's simulated device says first, and by which way."""
    return next(driver(name).messages(Random(0), datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)))


def _asked(feed: Feed) -> Asked | None:
    answerer = driver(feed.driver).answerer
    if answerer is None:
        return None
    device = answerer(Random(feed.id))
    return AskedPort(device) if _first(feed.driver).way == "tcp" else AskedLine(device)


def _unread(way: Way) -> bool:
    return isinstance(way, PtyWay) and way.listening and way.unread


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
