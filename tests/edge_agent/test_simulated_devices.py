"""A store without hardware: every kind of device simulated by the command, plugged into a configuration, read."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge_agent import simulate
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.crew import Crew
from edge_agent.exits import Exit
from edge_agent.intake import Intake
from edge_agent.recorder.desk import Submission
from records import type_of
from simulation.processes import wait_for
from tests.devices.broker import broker
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.test_crew import configured
from tests.edge_agent.test_recorder import running

PATIENCE_S = 120.0
OFTEN = {"interval_s": 1}


class Kind(NamedTuple):
    """A driver, what its device says, and the settings beside its place. count: of what is said until the end."""

    driver: str
    type: str
    way: str
    settings: dict[str, Any]
    count: int = 6


KINDS = (
    Kind("csv-drop", "pos.sale", "path", {"settle_s": 0}),
    Kind("poslog", "pos.sale", "path", {"settle_s": 0}),
    Kind("escpos-tap", "pos.receipt", "port", {}),
    Kind("scanner-serial", "scan", "port", {}),
    Kind("ir-thermometer", "temp.check", "port", {}),
    Kind("scale", "weight", "port", {}),
    Kind("modbus", "temp.ambient", "port", OFTEN),
    Kind("dlt645", "energy", "port", OFTEN),
    Kind("nut-ups", "power", "tcp", {**OFTEN, "report_s": 1}),
    Kind("zkteco", "punch", "tcp", {**OFTEN, "timezone": "UTC"}, 20),  # half of it is the login
    Kind("w1-thermometer", "temp.ambient", "path", OFTEN),
    Kind("dahua-count", "door.count", "url", OFTEN),
    Kind("hikvision-count", "door.count", "push", {}),
    Kind("axis-count", "door.count", "push", {}),
    Kind("xovis-count", "door.count", "push", {}),
    Kind("milesight", "door.count", "push", {}),
    Kind("hikvision-acs", "temp.check", "push", {}),
    Kind("zkteco-push", "punch", "push", {}),
    Kind("mqtt-sensor", "temp.ambient", "mqtt", {}, 12),  # what is published before the agent listens is lost
    Kind("ble-thermometer", "temp.ambient", "mqtt", {}, 12),
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def places(kind: Kind, folder: Path, listener: int, mqtt: int) -> tuple[str, dict[str, Any]]:
    """What the command is told to speak at, and what the configuration says of it."""
    port = free_port()
    match kind.way:
        case "path":
            (folder / kind.driver).mkdir()
            return str(folder / kind.driver), {"path": str(folder / kind.driver)}
        case "port":
            return str(folder / f"{kind.driver}.port"), {"port": str(folder / f"{kind.driver}.port")}
        case "mqtt":
            return f"127.0.0.1:{mqtt}", {"port": mqtt}
        case "tcp":
            return f"127.0.0.1:{port}", {"host": "127.0.0.1", "port": port}
        case "url":
            return f"127.0.0.1:{port}", {"url": f"http://127.0.0.1:{port}"}
        case _:
            return f"http://127.0.0.1:{listener}/push/{kind.driver}", {}


@pytest.fixture
def mqtt(tmp_path: Path) -> Iterator[int]:
    """The port of a broker in the store."""
    (tmp_path / "broker").mkdir()
    with broker(tmp_path / "broker") as port:
        yield port


def test_a_store_of_simulated_devices_is_read(tmp_path: Path, mqtt: int) -> None:
    """Each says the real protocol over its real way, pseudo-terminal or socket, and its records are taken."""
    listener, ended = free_port(), dict[str, int]()
    told: dict[str, set[str]] = defaultdict(set)

    def hear(brought: Submission) -> None:
        told[brought.device] |= {type_of(record.data).name for record in brought.records}

    def play(kind: Kind, to: str) -> None:
        ended[kind.driver] = simulate.main(kind.driver, to=to, count=kind.count, interval_s=0.5, seed=3)

    entries, players = [], []
    for kind in KINDS:
        to, place = places(kind, tmp_path, listener, mqtt)
        entries.append({"id": kind.driver, "driver": kind.driver, **kind.settings, **place})
        players.append(threading.Thread(target=play, args=(kind, to), daemon=True))
    config = configured(tmp_path, *entries)
    config = config.model_copy(update={"listener": config.listener.model_copy(update={"port": listener})})
    stop = threading.Event()
    with running(tmp_path, TestBox()) as (desk, _):
        desk.on_submit = hear
        crew = Crew(config, Intake(desk, Cleaning(bytes(32)), SystemClock()), lambda _: {}, SystemClock())
        for player in players:
            player.start()
        crew.start(stop)
        for kind in KINDS:
            what = f"{kind.driver} to say {kind.type}"
            wait_for(what, PATIENCE_S, lambda kind=kind: kind.type in told[kind.driver])  # type: ignore[misc]
        for player in players:
            player.join(PATIENCE_S)
            assert not player.is_alive()
        stop.set()
        crew.finish()
    assert ended == {kind.driver: Exit.DONE for kind in KINDS}
