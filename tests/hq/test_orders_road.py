"""An order's whole way: command, database, clerk, broker, an agent that obeys, its answer, the list of orders."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

import config
from cloud_sync.wire import epoch
from edge_agent.daemon import Daemon
from edge_agent.keys import read_keys
from edge_agent.window import CannotAnswer, ask
from hq import headquarters, keys
from hq.cli import main
from hq.data import Data
from hq.headquarters import Wishes
from hq.ingest import Worker
from tests.hq.test_mosquitto import working

DEADLINE_S = 120.0
STORE, BOX = "0214", "box-1"


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE_S:.0f} s for {what}"
        time.sleep(0.05)


@pytest.fixture
def data(own: Data) -> Iterator[Data]:
    """A headquarters with its broker running, its database the session's."""
    headquarters.init(own, Wishes(names=("127.0.0.1",)))
    broker = headquarters.broker(own)
    broker.start()
    yield own
    broker.stop()


@pytest.fixture
def agent(data: Data, tmp_path: Path) -> Agent:
    bundle = tmp_path / "bundle"
    assert command(data, "store", "add", STORE, "--box", BOX, "--out", str(bundle)) == 0
    return Agent(bundle / "store.yaml", tmp_path / "agent")


class Agent:
    """A box's agent without devices; each `running` is another start of it."""

    def __init__(self, yaml_file: Path, folder: Path) -> None:
        said = yaml.safe_load(yaml_file.read_text()) | {"data_dir": str(folder), "heartbeat_interval_s": 1}
        yaml_file.write_text(yaml.safe_dump(said))
        folder.mkdir()
        self._config = config.load(yaml_file)

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        daemon = Daemon(self._config, read_keys(self._config.hq), "hash")
        thread = threading.Thread(target=daemon.run, args=(stop,))
        thread.start()
        try:
            until(lambda: self.status().get("link", {}).get("up_since") is not None, "the agent's link")
            yield
        finally:
            stop.set()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def status(self) -> dict[str, Any]:
        try:
            return ask(self._config.data_dir, "status", 10.0)
        except (OSError, CannotAnswer):
            return {}


def worker(data: Data) -> Worker:
    """As `edge-hq ingest` starts it, with the keys of now."""
    settings, url, dsn = data.settings(), headquarters.broker(data).url, headquarters.database(data).dsn()
    return Worker(url, data.tls, settings.topic_root, keys.load(data), dsn, settings.generation, data.replay_file)


def command(data: Data, *argv: str) -> int:
    return main([*argv, "--data", str(data.root)])


@pytest.fixture
def orders(data: Data, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    def listed() -> list[dict[str, Any]]:
        capsys.readouterr()
        assert command(data, "orders", "list", "--store", STORE, "--json") == 0
        return list(json.loads(capsys.readouterr().out))

    return listed


def rows(data: Data, query: str) -> list[Any]:
    with psycopg.connect(headquarters.database(data).dsn()) as connection:
        return connection.execute(query).fetchall()


def test_orders_are_obeyed_over_restarts_of_both(
    data: Data, agent: Agent, orders: Callable[[], list[dict[str, Any]]], tmp_path: Path
) -> None:
    """A new stream while all runs; a new sealing key that is first sent to a box that is off, by a headquarters that
    begins anew before the box does. Both are listed as done, and what the box seals then is opened and stored.
    """
    with ExitStack() as first:
        first.enter_context(working(lambda: worker(data)))
        with agent.running():
            until(lambda: rows(data, "SELECT 1 FROM heartbeat"), "a heartbeat")
            before = agent.status()["stream"]
            assert command(data, "orders", "new-stream", STORE, "box-9") == 1  # nobody has heard of it
            assert command(data, "orders", "new-stream", STORE, BOX) == 0
            until(lambda: orders()[0]["answer"] == "done", "the new stream")
            assert agent.status()["stream"] != before
        key = announced(data, tmp_path)
        until(lambda: orders()[1]["sent"], "the order to be sent in vain")
    with working(lambda: worker(data)), agent.running():
        rows(data, "UPDATE hq_order SET sent_at = sent_at - interval '2 hours' RETURNING 1")  # so much time passed
        until(lambda: orders()[1]["answer"] == "done", "the new key")
        until(lambda: bytes.fromhex(key) in recipients(data), "an epoch that is sealed to it")

    assert [(one["name"], one["answer"], one["sent"] >= 1) for one in orders()] == [
        ("new-stream", "done", True),
        ("seal-to", "done", True),
    ]


def recipients(data: Data) -> set[bytes]:
    """Key ids to which the epoch that was opened last is sealed, as far as headquarters has come."""
    (raw,) = rows(data, "SELECT header FROM epoch ORDER BY opened DESC LIMIT 1")[0]
    return set(epoch.parse(bytes(raw)).sealed)


def announced(data: Data, folder: Path) -> str:
    """A new sealing key that boxes are told of."""
    known = set(data.keys.glob("seal-*.key"))
    assert command(data, "keys", "new-sealing") == 0
    (file,) = set(data.keys.glob("seal-*.key")) - known
    copy = folder / file.name
    shutil.copy(file, copy)
    key = file.stem.removeprefix("seal-")
    assert command(data, "keys", "announce", key, "--backup", str(copy)) == 0
    return key
