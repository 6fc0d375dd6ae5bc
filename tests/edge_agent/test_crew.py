"""The store's devices at work: read, asked or pushing, each with what it last committed."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.loading import load
from config.store import StoreConfig
from devices.dahua_count.simulator import summary
from devices.simulator import Message
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.crew import Crew
from edge_agent.intake import Intake
from edge_agent.recorder.desk import Desk
from tests.devices.web_device import LOGIN, password, serving
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.test_recorder import running, until

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "store.yaml"


def configured(folder: Path, *devices: dict[str, Any]) -> StoreConfig:
    """The example's store with these devices."""
    text, _, _ = EXAMPLE.read_text(encoding="utf-8").partition("\ndevices:")
    file = folder / "store.yaml"
    file.write_text(f"{text}\ndevices: {json.dumps(devices)}\n", encoding="utf-8")
    return load(file)


def state(desk: Desk, device: str) -> dict[str, bytes]:
    return desk.ask(lambda buffer: buffer.state(device))


def work(config: StoreConfig, desk: Desk, message: Message, way: Any) -> None:
    """A crew at work until the message has been asked for and what it told is on disk."""
    stop = threading.Event()
    crew = Crew(config, Intake(desk, Cleaning(bytes(32)), SystemClock()), lambda id_: state(desk, id_), SystemClock())
    before = state(desk, "door-1")
    crew.start(stop)
    way.say(message)
    until(lambda: state(desk, "door-1") != before, "the count is on disk")
    stop.set()
    crew.finish()


def test_a_polled_counter_goes_on_where_it_was(tmp_path: Path) -> None:
    """Asked over HTTP with its password, restarted in between: the totals of one start are the next one's beginning."""
    with running(tmp_path, TestBox()) as (desk, _), serving() as way:
        login = {"user": LOGIN.user, "password_file": str(password(tmp_path))}
        device = {"id": "door-1", "driver": "dahua-count", "url": way.url, "interval_s": 1, **login}
        for number in range(2):
            at = datetime.now(UTC)
            told = Message("serve", summary(at, (100 + 7 * number, 90), (0, 0)), content_type="text/plain")
            work(configured(tmp_path, device), desk, told, way)
            assert b'"Total":[%d,90]' % (100 + 7 * number) in state(desk, "door-1")["0/"]


def test_a_device_that_can_push_may_be_asked_instead(tmp_path: Path) -> None:
    """With `pull` it is read in a thread of its own, and no listener is opened for it."""
    pull = {"url": "http://127.0.0.1:9"}
    config = configured(
        tmp_path, *({"id": f"door-{n}", "driver": f"{n}-count", "pull": pull} for n in ("axis", "hikvision"))
    )
    with running(tmp_path, TestBox()) as (desk, _):
        clock = SystemClock()
        crew = Crew(config, Intake(desk, Cleaning(bytes(32)), clock), lambda _: {}, clock)
        assert [station.id for station in crew.polled] == ["door-axis", "door-hikvision"]
