"""Devices that push: answered after the commit, refused where they may not, trusted with neither sizes nor time."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from select import select

import pytest
import requests

from devices.driver import Answer, Item, Reading, Request
from devices.options import PushOptions
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.listener import Listener, Pushing
from edge_agent.recorder.desk import Desk
from edge_agent.station import Station
from edge_agent.web import Limits
from records.types import DoorCount
from tests.edge_agent.boxes import NOON, TestBox
from tests.edge_agent.test_recorder import running

USUAL = Limits()
HASTY = Limits(head=2048, body=100_000, head_s=1.0, body_s=1.0, of_one=6, connections=8, bodies=150_000)
STRANGER = ("192.0.2.1",)


class Counting:
    """A device whose body is the count."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def receive(self, request: Request, at: datetime) -> Answer:
        self.paths.append(request.path)
        identity = request.query.get("id")
        items: Sequence[Item] = [Reading(DoorCount(in_=int(request.body), out=0), NOON, identity=identity)]
        return Answer(items, body=b"OK: 1")


class Door:
    """A listener on a recorder: `port`, and how many records are on disk."""

    def __init__(self, desk: Desk, limits: Limits, *devices: PushOptions) -> None:
        clock = SystemClock()
        self.receivers = {options.id: Counting() for options in devices}
        pushing = {
            options.id: Pushing(self.receivers[options.id], options, Station(options.id, "x", clock), threading.Lock())
            for options in devices
        }
        self.listener = Listener(("127.0.0.1", 0), pushing, Intake(desk, Cleaning(bytes(32)), clock), limits)
        self.port = self.listener.server_port
        self.desk = desk
        self.listener.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def post(self, path: str, body: bytes = b"3", **how: object) -> requests.Response:
        return requests.post(self.url(path), body, timeout=60, **how)  # type: ignore[arg-type]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    @property
    def accepted(self) -> int:
        return self.desk.ask(lambda buffer: sum(buffer.view().next.values())) - 4


@contextmanager
def listening(folder: Path, limits: Limits, *devices: PushOptions) -> Iterator[Door]:
    with running(folder, TestBox()) as (desk, _):
        door = Door(desk, limits, *devices)
        yield door
        door.listener.shutdown()
        door.listener.server_close()


def options(name: str, **settings: object) -> PushOptions:
    return PushOptions.model_validate({"id": name, "driver": "x", **settings})


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with listening(tmp_path, USUAL, options("door-1"), options("door-2", allow_from=STRANGER)) as door:
        yield door


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Door]:
    with listening(tmp_path, HASTY, options("door-1"), options("door-2")) as door:
        yield door


def heard(link: socket.socket) -> bytes:
    """All that is said until the connection ends."""
    told = b""
    while part := _part(link):
        told += part
    return told


def _part(link: socket.socket) -> bytes:
    try:
        return link.recv(4096)
    except ConnectionResetError:
        return b""


def test_the_answer_follows_the_commit(door: Door) -> None:
    """When a device reads 200, its record is on disk."""
    for number in range(20):
        answer = door.post(f"/push/door-1?id={number}")
        assert (answer.status_code, answer.content) == (200, b"OK: 1")
        assert door.accepted == number + 1


def test_a_push_sent_again_is_taken_once(door: Door) -> None:
    """A device that missed our answer repeats itself; the second time is answered and not stored."""
    for _ in range(3):
        assert door.post("/push/door-1?id=same").status_code == 200
    assert door.accepted == 1


def test_two_devices_are_told_apart(tmp_path: Path) -> None:
    """What one posts under an identity is no repeat of the other's, however they interleave."""
    with listening(tmp_path, USUAL, options("door-1"), options("door-2")) as door:
        paths = [f"/push/door-{1 + number % 2}?id={number // 2}" for number in range(40)]
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(lambda path: door.post(path).status_code, paths)) == {200}
        assert door.accepted == 40
        assert [len(receiver.paths) for receiver in door.receivers.values()] == [20, 20]


@pytest.mark.parametrize(("path", "status"), [("/push/door-9", 404), ("/else", 404), ("/push/door-2?id=1", 403)])
def test_strangers_are_refused(door: Door, path: str, status: int) -> None:
    """Unknown devices and addresses that may not post get a refusal that says why, also with a body on its way."""
    for body in (b"3", b"3" * 200_000):
        answer = door.post(path, body)
        assert answer.status_code == status
        assert len(answer.text) > 20
    assert door.accepted == 0


def test_a_device_with_a_password_must_log_in(tmp_path: Path) -> None:
    """Nothing, a wrong password, a broken header: 401 with a challenge; the right one is taken, a new one at once."""
    secret = tmp_path / "door.txt"
    secret.write_text("s3cret\nnot this line\n")
    with listening(tmp_path, USUAL, options("door-1", user="cam", password_file=secret)) as door:
        for auth in (None, ("cam", "wrong"), ("eve", "s3cret"), ("cam", ""), ("", "")):
            answer = door.post("/push/door-1?id=1", auth=auth)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        for broken in ("Basic", "Basic ===", "Bearer s3cret", "Basic " + b64encode(b"\xff\xfe").decode()):
            assert door.post("/push/door-1?id=1", headers={"Authorization": broken}).status_code == 401
        assert door.accepted == 0
        assert door.post("/push/door-1?id=1", auth=("cam", "s3cret")).status_code == 200
        secret.write_text("änderung\n", encoding="utf-8")
        assert door.post("/push/door-1?id=2", auth=("cam", "s3cret")).status_code == 401
        assert door.post("/push/door-1?id=2", auth=("cam", "änderung".encode())).status_code == 200
        secret.write_text("\n")
        assert door.post("/push/door-1?id=3", auth=("cam", "")).status_code == 401
        secret.unlink()
        assert door.post("/push/door-1?id=3", auth=("cam", "")).status_code == 503
        assert door.accepted == 2


def test_a_device_that_only_knows_an_address_has_a_word_in_it(tmp_path: Path) -> None:
    """/push/<id>/<word>; the driver does not see the word."""
    secret = tmp_path / "door.txt"
    secret.write_text("k7Xp\n")
    with listening(tmp_path, USUAL, options("door-1", token_file=secret)) as door:
        for path in ("/push/door-1", "/push/door-1/", "/push/door-1/k7X", "/push/door-1/k7Xp/"):
            assert door.post(path + "?id=1").status_code == 403
        assert door.post("/push/door-1/k7Xp?id=1").status_code == 200
        assert door.receivers["door-1"].paths == ["/push/door-1"]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (f"Content-Length: {USUAL.body + 1}", 413),
        ("Content-Length: " + "9" * 5000, 413),
        ("Content-Length: -1", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: many", 400),
        ("Content-Length: 1\r\nContent-Length: 2", 400),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: gzip, chunked", 400),
    ],
)
def test_a_body_that_claims_too_much_is_refused_unread(door: Door, lines: str, status: int) -> None:
    """The size is judged before a byte of the body is taken, and must be said in one way."""
    with door.connect() as link:
        link.sendall(f"POST /push/door-1?id=1 HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n".encode())
        assert f" {status} ".encode() in heard(link)
    assert door.accepted == 0


def test_a_body_may_come_in_chunks(hasty: Door) -> None:
    """As many devices send it; cut anywhere, with extensions and a trailer, and no longer than any other body."""
    head = b"POST /push/door-1?id=%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = b"1\r\n1\r\n2;a=b\r\n23\r\n0\r\nX: y\r\n\r\n"
    with hasty.connect() as link:
        for number, size in enumerate((1, 2, 7, 100)):
            said = head % number + whole
            for at in range(0, len(said), size):
                link.sendall(said[at : at + size])
            assert link.recv(4096).startswith(b"HTTP/1.1 200 ")
    broken = (b"x\r\n", b"5\r\n123", b"1\r\n12\r\n0\r\n\r\n", b"-1\r\n", b"\r\n", b"1" * 3000)
    for body in (*broken, b"ffffff\r\n", b"c350\r\n" + bytes(50_000) + b"\r\nc351\r\n"):
        with hasty.connect() as link:
            link.sendall(head % 9 + body)
            link.shutdown(socket.SHUT_WR)
            assert heard(link)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413")
    assert hasty.accepted == 4


def test_a_body_shorter_than_it_says_is_not_taken(door: Door) -> None:
    """Half a push is none: the device comes again."""
    with door.connect() as link:
        link.sendall(b"POST /push/door-1?id=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n33")
        link.shutdown(socket.SHUT_WR)
        assert b" 400 " in heard(link)
    assert door.accepted == 0


@pytest.mark.parametrize(
    "drip",
    [
        b"POST /push/door-1?id=1 HTTP/1.1\r\nX: " + b"y" * 1000,
        b"P" * 1000,
        b"POST /push/door-1?id=1 HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"1" * 999,
        b"POST /push/door-1?id=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 1000,
    ],
)
def test_a_peer_that_drips_is_cut_off(hasty: Door, drip: bytes) -> None:
    """Byte by byte, each soon after the one before: the time is the request's, not the byte's."""
    with hasty.connect() as link:
        sent = list(takewhile(lambda byte: _dripped(link, byte), drip))
    assert 0 < len(sent) < len(drip) - 1
    assert hasty.post("/push/door-1?id=1").status_code == 200


def _dripped(link: socket.socket, byte: int) -> bool:
    """Whether the listener still hears it."""
    time.sleep(0.02)
    try:
        link.sendall(bytes([byte]))
        return not select([link], [], [], 0)[0]
    except ConnectionError:
        return False


def test_endless_headers_are_refused(hasty: Door) -> None:
    """One long line, and many short ones."""
    for lines in (b"X: " + b"y" * 5000 + b"\r\n", b"A: b\r\n" * 1000):
        with hasty.connect() as link:
            link.sendall(b"POST /push/door-1?id=1 HTTP/1.1\r\n" + lines)
            assert b" 431 " in heard(link)


def test_one_peer_gets_so_many_connections(hasty: Door) -> None:
    """Who holds all that are allowed is refused another; when one ends, there is one again."""
    held = [hasty.connect() for _ in range(HASTY.of_one)]
    for link in held:
        link.sendall(b"POST /push/door-1?id=1 HTTP/1.1\r\n")
    with hasty.connect() as another:
        assert heard(another) == b""
    for link in held:
        link.close()
    deadline = time.monotonic() + 60
    while _refused(hasty):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _refused(door: Door) -> bool:
    try:
        return door.post("/push/door-1?id=1").status_code != 200
    except requests.ConnectionError:
        return True


def test_bodies_that_are_held_at_once_are_bounded(hasty: Door) -> None:
    """A second large body must wait for the first; it is told so, and a small one still passes."""
    head = b"POST /push/door-%d?id=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n"
    with hasty.connect() as one, hasty.connect() as other:
        one.sendall(head % 1)
        deadline = time.monotonic() + 60
        while not hasty.listener._held:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        other.sendall(head % 2)
        assert b" 503 " in heard(other)
        assert hasty.post("/push/door-2?id=2").status_code == 200


def test_what_is_no_http_is_answered_and_cut(door: Door) -> None:
    """A TLS hello, a Modbus frame, nothing at all."""
    for noise in (bytes.fromhex("16030100c8010000c40303") + bytes(90) + b"\r\n\r\n", b"\x01\x03\r\n\r\n", b""):
        with door.connect() as link:
            link.sendall(noise)
            link.shutdown(socket.SHUT_WR)
            heard(link)
    assert door.post("/push/door-1?id=1").status_code == 200


KILLED = """
import os, signal, sys, threading
from concurrent.futures import Future
from pathlib import Path
from tests.edge_agent import test_listener as t
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.test_recorder import running

class Fatal(Future):
    def result(self, timeout=None):
        value = super().result(timeout)
        os.kill(os.getpid(), signal.SIGKILL)

with running(Path(sys.argv[1]), TestBox()) as (desk, _):
    submit = desk.submit
    def deadly(submission):
        done = submit(submission)
        done.__class__ = Fatal
        return done
    desk.submit = deadly
    door = t.Door(desk, t.USUAL, t.options("door-1"))
    print(door.port, flush=True)
    threading.Event().wait()
"""


def test_a_kill_between_commit_and_answer_doubles_nothing(tmp_path: Path) -> None:
    """The device saw no answer and posts again after the restart: once on disk, and answered."""
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True, cwd=root)
    assert killed.stdout
    port = int(killed.stdout.readline())
    with pytest.raises(requests.ConnectionError):
        requests.post(f"http://127.0.0.1:{port}/push/door-1?id=7", b"3", timeout=60)
    assert killed.wait(60) == -signal.SIGKILL
    killed.stdout.close()
    with listening(tmp_path, USUAL, options("door-1")) as door:
        before = door.accepted
        assert before == 1
        assert door.post("/push/door-1?id=7").status_code == 200
        assert door.accepted == before
        assert door.post("/push/door-1?id=8").status_code == 200
        assert door.accepted == before + 1
