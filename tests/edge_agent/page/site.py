"""An agent's cameras and their page, with recordings in place of cameras."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from config.loading import load
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.crew import Crew
from edge_agent.intake import Intake
from edge_agent.page.server import Page
from edge_agent.recorder.desk import Desk
from tests.devices.cases import DEVICES
from tests.edge_agent.test_crew import EXAMPLE

CLIP = DEVICES / "camera" / "cases" / "overhead-door.mp4"
PASSWORD = "long-and-private"
CAMERA = {
    "id": "door-cam",
    "driver": "camera",
    "mode": "overhead",
    "lines": {"door": [0, 90, 240, 90]},
    "zones": {"mat": [20, 20, 220, 20, 220, 70, 20, 70]},
}


class Visitor(requests.Session):
    """Somebody at a browser, logged in."""

    def __init__(self, page: Page, password: str = PASSWORD) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{page.server_port}"
        self.auth = ("", password)
        self.headers["Origin"] = self.url

    def ask(self, path: str, order: dict[str, Any] | None = None) -> requests.Response:
        if order is None:
            return self.get(self.url + path, timeout=60)
        return self.post(self.url + path, json=order, timeout=60)

    def patient(self, path: str, order: dict[str, Any] | None = None) -> requests.Response:
        """The answer once the camera has brought a picture, which takes a busy machine its time."""
        deadline = time.monotonic() + 90
        while "no picture now" in (answer := self.ask(path, order)).text:
            assert time.monotonic() < deadline, "waited 90 s for a picture"
        return answer

    def camera(self) -> dict[str, Any]:
        """What the page knows of the first camera."""
        return self.ask("/cameras").json()[0]


@contextmanager
def mounted(folder: Path, desk: Desk, *cameras: dict[str, Any]) -> Iterator[Crew]:
    """A crew of these cameras and its page."""
    (folder / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    text, _, _ = EXAMPLE.read_text(encoding="utf-8").partition("\ndevices:")
    page = f"page: {{port: 0, password_file: {folder / 'password'}}}"
    devices = "\n".join(f"  - {camera}" for camera in cameras)
    (folder / "store.yaml").write_text(f"{text}\n{page}\ndevices:\n{devices}\n", encoding="utf-8")
    intake = Intake(desk, Cleaning(bytes(32)), SystemClock())
    crew = Crew(load(folder / "store.yaml"), intake, lambda _: {}, intake.clock)
    stop = threading.Event()
    crew.start(stop)
    try:
        yield crew
    finally:
        stop.set()
        crew.finish()


@contextmanager
def endless(clip: Path, place: Path) -> Iterator[None]:
    """A recording at `place` that is played again whenever it has ended."""
    shutil.copy(clip, place)
    stop = threading.Event()

    def again() -> None:
        while not stop.wait(0.1):
            os.utime(place)

    work = threading.Thread(target=again)
    work.start()
    try:
        yield
    finally:
        stop.set()
        work.join()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, f"waited 90 s for: {what}"
        time.sleep(0.05)
