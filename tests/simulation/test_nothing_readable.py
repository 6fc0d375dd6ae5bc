"""Nobody but headquarters reads a record: not on the box's disk, not in its logs, not at the broker, not on the way."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import threading
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import nats
import pytest
import yaml
from nats.aio.msg import Msg

from hq.data import Data, free_ports
from hq.stream import STREAM, worker_tls
from simulation.processes import command, wait_for
from simulation.stage import TIMEZONE, Stage
from tests.simulation.plants import TOTAL, Plants, content, feeds, found, made_up
from tests.simulation.wire import Wire

pytestmark = pytest.mark.xdist_group("stage-2")

RECORDS = 60 + 20 + 19  # tickets, scans, payment codes


class Listener:
    """Everything that is said at the broker from now on, heard by HQ's own certificate, until `close`."""

    def __init__(self, stage: Stage) -> None:
        self.heard = bytearray()
        self._url, self._tls = stage.hq.facts["nats"], worker_tls(stage.hq.data / "tls")
        self._stop, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    async def _listen(self) -> None:
        connection = await nats.connect(self._url, tls=self._tls)

        async def hear(message: Msg) -> None:
            self.heard += message.subject.encode() + b" " + message.data + b"\n"

        await connection.subscribe("se.>", cb=hear)
        await connection.flush()
        self._ready.set()
        while not self._stop.is_set():
            await asyncio.sleep(0.05)
        stream = connection.jetstream()
        for number in range(1, (await stream.stream_info(STREAM)).state.last_seq + 1):
            kept = await stream.get_msg(STREAM, number)
            self.heard += kept.data or b""
        await connection.close()

    def close(self) -> bytes:
        self._stop.set()
        self._thread.join()
        return bytes(self.heard)


@pytest.fixture(scope="module")
def plants() -> Plants:
    return made_up(Random(4))


def test_two_hundred_planted_texts_are_found_nowhere(
    plants: Plants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buffer, log, temporary files, broker and wire hold none of them in any form; headquarters' key reads them."""
    now = datetime.now(ZoneInfo(TIMEZONE)) - timedelta(hours=2)
    stage = Stage(tmp_path / "stage", feeds(plants, now))
    wire = through_a_wire(stage)
    (tmp_path / "tmp").mkdir()
    try:
        stage.hq.start()
        stage.hq.await_ready()
        listener = Listener(stage)
        monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
        plant(stage, plants)
        in_store = content(stage.store.agent.data, tmp_path / "tmp", copied(stage, tmp_path / "copy"))
        wire.open()
        stage.store.await_drained()
        at_broker = listener.close() + content(stage.hq.data / "nats", stage.hq.data / "log")
        in_store += content(stage.store.agent.data, copied(stage, tmp_path / "copy-2"))
        stage.store.agent.stop()
        in_store += content(stage.store.agent.data, tmp_path / "tmp") + (stage.folder / "0214/agent.log").read_bytes()
        read = export(stage)
    finally:
        stage.close()
        wire.close()

    assert len(in_store.replace(b"\0", b"")) > 50_000
    assert found(plants.all, in_store) == set()
    assert len(at_broker) > 20_000
    assert b"/up/batch" in at_broker.replace(b".", b"/")
    assert found(plants.all, at_broker) == set()
    assert min(len(wire.up), len(wire.down)) > 1_000
    assert found(plants.all, bytes(wire.up) + bytes(wire.down)) == set()
    assert_headquarters_reads(plants, read)


def test_the_search_finds_what_is_there(plants: Plants, tmp_path: Path) -> None:
    """In each form at any place; so that finding nothing means something."""
    for feed in feeds(plants, datetime.now(ZoneInfo(TIMEZONE))):
        for message in feed.messages:
            with (tmp_path / feed.id).open("ab") as file:
                file.write(message.body)
    assert found(plants.all, content(tmp_path)) == set(plants.all)
    secret = "ZQX-7654321"
    for place in range(6):
        around = b"x" * place + secret.encode() + b"yz"
        assert found([secret], base64.b64encode(around)) == {secret}
        assert found([secret], around.hex().encode()) == {secret}
    for encoding in ("utf-16-le", "utf-16-be", "gb18030"):
        assert found([plants.names[1]], b"12" + plants.names[1].encode(encoding)) == {plants.names[1]}


def through_a_wire(stage: Stage) -> Wire:
    """Sends the store's traffic through a relay that is not open yet."""
    (port,) = free_ports(1)
    config = yaml.safe_load(stage.store.agent.yaml.read_text())
    config["hq"]["brokers"] = [f"mqtts://127.0.0.1:{port}"]
    stage.store.agent.yaml.write_text(yaml.safe_dump(config, allow_unicode=True))
    return Wire(port, Data(stage.hq.data).settings().mqtt_port)


def plant(stage: Stage, plants: Plants) -> None:
    """The devices say it all; the agent takes it, with nobody to send it to. What is dropped can be found at first."""
    with stage.store.playing():
        folders = [stage.store.drop("till-1"), stage.store.drop("till-2")]
        wait_for("the files", 30, lambda: all(len(list(folder.glob("[!.]*"))) == 30 for folder in folders))
        assert found(plants.all, content(*folders)) >= {
            *plants.skus,
            *plants.names,
            *plants.cards,
            TOTAL,
        }
        stage.store.agent.start()
    stage.store.await_taken()
    wait_for("every record to be accepted", 60, lambda: stage.store.agent.accepted() >= RECORDS + 1)
    assert [file for folder in folders for file in folder.iterdir()] == []


def copied(stage: Stage, place: Path) -> Path:
    """The buffer with its log as they lie on the disk while the agent runs."""
    place.mkdir()
    for file in stage.store.agent.data.glob("buffer.db*"):
        shutil.copyfile(file, place / file.name)
    assert {file.name for file in place.iterdir()} >= {"buffer.db", "buffer.db-wal"}
    return place


def export(stage: Stage) -> bytes:
    argv = [command("edge-hq"), "export", "--data", str(stage.hq.data)]
    return subprocess.run(argv, check=True, capture_output=True).stdout


def assert_headquarters_reads(plants: Plants, read: bytes) -> None:
    text = read.decode()
    kinds = [json.loads(line)["type"] for line in text.splitlines()]
    assert Counter(kinds) == {"pos.sale": 60, "payment.code": 19, "scan": 20, "stream.open": 1}
    for planted in (*plants.skus, *plants.names, *plants.codes, TOTAL):
        assert planted in text
    for card in plants.cards:
        assert f"{card[:6]}******{card[-4:]}" in text
    assert found([*plants.cards, *plants.customers, *plants.payments], read) == set()
