"""Devices that push: answered after the commit, refused where they may not, never trusted with sizes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest
import requests

from devices.driver import Answer, Item, Reading, Request
from devices.options import PushOptions
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.listener import MAX_BODY, Listener, Pushing
from edge_agent.recorder.shell import Desk
from edge_agent.station import Station
from records.types import DoorCount
from tests.edge_agent.boxes import NOON, TestBox
from tests.edge_agent.test_recorder import running


class Counting:
    """A device whose body is the count."""

    def receive(self, request: Request, at: datetime) -> Answer:
        items: Sequence[Item] = [Reading(DoorCount(in_=int(request.body), out=0), NOON, identity=request.query["id"])]
        return Answer(items, body=b"OK: 1")


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[tuple[str, Desk]]:
    with running(tmp_path, TestBox()) as (desk, _):
        clock = SystemClock()
        pushing = {
            name: Pushing(Counting(), options, Station(name, "x", clock), threading.Lock())
            for name, options in {
                "door-1": PushOptions(id="door-1", driver="x"),
                "door-2": PushOptions(id="door-2", driver="x", allow_from=("192.0.2.1",)),
            }.items()
        }
        listener = Listener(("127.0.0.1", 0), pushing, Intake(desk, Cleaning(bytes(32)), clock))
        listener.start()
        yield f"http://127.0.0.1:{listener.server_address[1]}/push", desk
        listener.shutdown()
        listener.server_close()


def accepted(desk: Desk) -> int:
    return desk.ask(lambda buffer: sum(buffer.view().next.values())) - 4


def test_the_answer_follows_the_commit(pushed: tuple[str, Desk]) -> None:
    """When a device reads 200, its record is on disk."""
    url, desk = pushed
    for number in range(20):
        answer = requests.post(f"{url}/door-1?id={number}", b"3", timeout=20)
        assert (answer.status_code, answer.content) == (200, b"OK: 1")
        assert accepted(desk) == number + 1


def test_a_push_sent_again_is_taken_once(pushed: tuple[str, Desk]) -> None:
    """A device that missed our answer repeats itself; the second time is answered and not stored."""
    url, desk = pushed
    for _ in range(3):
        assert requests.post(f"{url}/door-1?id=same", b"3", timeout=20).status_code == 200

    assert accepted(desk) == 1


@pytest.mark.parametrize(("path", "status"), [("/push/door-9", 404), ("/else", 404), ("/push/door-2?id=1", 403)])
def test_strangers_are_refused(pushed: tuple[str, Desk], path: str, status: int) -> None:
    """Unknown devices and addresses that may not post get a refusal that says why."""
    url, desk = pushed
    answer = requests.post(url.removesuffix("/push") + path, b"3", timeout=20)

    assert answer.status_code == status
    assert len(answer.text) > 20
    assert accepted(desk) == 0


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "-1", "many"])
def test_a_body_that_claims_too_much_is_refused_unread(pushed: tuple[str, Desk], length: str) -> None:
    """The size is judged before a byte of the body is taken."""
    url, _ = pushed
    port = int(url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(f"POST /push/door-1?id=1 HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert b" 413 " in link.recv(200)
