"""SIGKILL at random moments while records move: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from xml.etree.ElementTree import Element

import psycopg
import pytest
from defusedxml import ElementTree

from devices.simulator import Message
from simulation.chaos import MOVED, Chaos, Gate
from simulation.demo import play
from simulation.feeds import Feed, generated_day
from simulation.stage import Stage
from tests.simulation.demo import assert_clean

pytestmark = pytest.mark.xdist_group("stage-2")

KILLS = {"agent": 20, "ingest": 3, "broker": 1}


class Ledger:
    """What the store's devices handed over: files dropped, pushes that were answered 200."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[bytes]] = {}

    def of(self, feed: Feed) -> Feed:
        """The feed, whose messages are noted once they are handed over."""
        return feed._replace(messages=self._noting(feed.messages, self.bodies.setdefault(feed.id, [])))

    @staticmethod
    def _noting(messages: Iterator[Message], said: list[bytes]) -> Iterator[Message]:
        for message in messages:
            yield message
            said.append(message.body)


def test_killed_while_records_move(tmp_path: Path) -> None:
    """20 kills of the agent, 3 of ingest, 1 of the broker: the devices' own ledger is headquarters' table."""
    ledger, gate = Ledger(), Gate()
    feeds = generated_day(2, datetime.now(UTC).replace(hour=1) - timedelta(days=1))
    stage = Stage(tmp_path, [ledger.of(gate.through(feed)) for feed in feeds])
    chaos = Chaos(stage, gate, Random(2), KILLS)
    try:
        assert_clean(play(chaos, offline_first=False))
        assert Counter(name for name, _ in chaos.moved) == KILLS
        assert all(count >= MOVED for _, count in chaos.moved)
        with psycopg.connect(stage.dsn) as db:
            tickets = db.execute(
                """SELECT device, transaction_id FROM pos_sale UNION ALL SELECT device, transaction_id FROM pos_return
                   UNION ALL SELECT device, transaction_id FROM pos_void"""
            ).fetchall()
            repeats = db.execute("SELECT count(*) FROM pos_sale WHERE duplicate_of IS NOT NULL").fetchone()
            doors = db.execute(
                """SELECT device, "from", "to", "in", "out" FROM door_count WHERE device LIKE 'door-%'"""
            ).fetchall()
    finally:
        stage.close()
    assert Counter(tickets) == Counter(
        [("till-1", number) for body in ledger.bodies["till-1"] for number in csv_tickets(body)]
        + [("till-2", number) for body in ledger.bodies["till-2"] for number in poslog_tickets(body)]
    )
    assert repeats == (0,)
    answered = [(door, push) for door, pushes in ledger.bodies.items() if "door" in door for push in pushes]
    assert len(answered) == 2_000
    assert Counter(doors) == Counter((door, *door_count(push)) for door, push in answered)


def csv_tickets(body: bytes) -> set[str]:
    """Ticket numbers of an export: the first column."""
    encoding = "utf-8-sig" if body.startswith(b"\xef\xbb\xbf") else "gb18030"
    return {row[0] for row in list(csv.reader(body.decode(encoding).splitlines()))[1:]}


def poslog_tickets(body: bytes) -> set[str]:
    """Sequence numbers of a log's retail transactions."""
    return {
        text(transaction, "SequenceNumber")
        for transaction in ElementTree.fromstring(body)
        if any(child.tag.endswith("RetailTransaction") for child in transaction)
    }


def door_count(push: bytes) -> tuple[datetime, datetime, int, int]:
    """Interval and people of a camera's multipart push."""
    document = push[push.index(b"<?xml") : push.index(b"</EventNotificationAlert>") + 25]
    alert = ElementTree.fromstring(document)
    begin, end = (datetime.fromisoformat(text(alert, name)).astimezone(UTC) for name in ("startTime", "endTime"))
    return begin, end, int(text(alert, "enter")), int(text(alert, "exit"))


def text(parent: Element, name: str) -> str:
    return next(child.text or "" for child in parent.iter() if child.tag.rpartition("}")[2] == name)
