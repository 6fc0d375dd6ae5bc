"""`edge-agent simulate`: a driver's device, made up, over the way that the real one takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from random import Random

from devices.answer_way import AnswerWay
from devices.registry import UnknownDriver, driver
from devices.serve_way import ServeWay
from devices.simulator import Answerer, DropWay, FileWay, Message, MqttWay, PtyWay, PushWay, SqliteWay, Way
from edge_agent.exits import Exit

_PLACES = {
    "drop": "FOLDER",
    "file": "FOLDER",
    "video": "FOLDER",
    "push": "http://127.0.0.1:PORT/push/ID",
    "sql": "FILE.db",
    "serve": "127.0.0.1:PORT",
    "mqtt": "HOST:PORT",
    "tcp": "127.0.0.1:PORT",
}
_RETRY_S = 1.0
_LOOK_S = 0.02


def main(driver_name: str, *, to: str | None, count: int, interval_s: float, seed: int) -> int:
    """Says `count` messages, `interval_s` apart.

    A serial device opens a pseudo-terminal and prints its path, or makes `to` a link to it, and speaks while a program
    has it open, as one that types does; a drop goes into the folder `to`, a push to the address `to`, a till's rows
    into the SQLite file `to`; one that is asked over the network listens at `to` and prints where. A device that speaks
    only when asked answers `count` times. The same seed says the same.
    """
    try:
        package = driver(driver_name)
    except UnknownDriver:
        print(f"unknown driver '{driver_name}'; `edge-agent drivers` lists them", file=sys.stderr)
        return Exit.USAGE
    said = package.messages(Random(seed), datetime.now(UTC), timedelta(seconds=interval_s))  # noqa: S311 - made-up data
    first = next(said)
    if first.way in _PLACES and to is None:
        print(f"{driver_name} needs --to {_PLACES[first.way]}", file=sys.stderr)
        return Exit.USAGE
    answerer = package.answerer
    try:
        if answerer:
            _answer(answerer(Random(seed)), first.way, to or "", count)  # noqa: S311 - made-up data
        else:
            _play(islice(chain([first], said), count), first.way, to or "", interval_s)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    except OSError as error:
        print(f"{to}: {error.strerror or error}", file=sys.stderr)
        return Exit.FAILED
    return Exit.DONE


def _play(messages: Iterator[Message], kind: str, to: str, interval_s: float) -> None:
    if kind not in _PLACES:
        _play_line(messages, to, interval_s)
        return
    _say(_way(kind, to), messages, interval_s)


def _way(kind: str, to: str) -> Way:
    match kind:
        case "drop":
            return DropWay(Path(to))
        case "file" | "video":
            return FileWay(Path(to))
        case "mqtt":
            return MqttWay(*_address(to))
        case "sql":
            return SqliteWay(Path(to))
        case "serve":
            served = ServeWay(_address(to), None)
            print(served.url, flush=True)
            return served
        case _:
            return PushWay(to, _RETRY_S)


def _address(to: str) -> tuple[str, int]:
    host, _, port = to.rpartition(":")
    if not port.isdecimal():
        raise OSError("is no HOST:PORT to listen at")
    return host or "127.0.0.1", int(port)


def _play_line(messages: Iterator[Message], to: str, interval_s: float) -> None:
    with _line(to) as line:
        for number, message in enumerate(messages):
            time.sleep(interval_s if number else 0)
            _wait_for_a_listener(line)
            line.say(message)
        _wait_until_heard(line)


def _answer(device: Answerer, kind: str, to: str, count: int) -> None:
    if kind != "tcp":
        _answer_line(device, to, count)
        return
    with AnswerWay(_address(to)) as way:
        print(way.place, flush=True)
        way.answer(device, count)


def _answer_line(device: Answerer, to: str, count: int) -> None:
    with _line(to) as line:
        while count:
            if not line.listening:
                time.sleep(_LOOK_S)
            elif answer := device.hear(line.read(_LOOK_S)):
                line.write(answer)
                count -= 1
        _wait_until_heard(line)


@contextmanager
def _line(to: str) -> Iterator[PtyWay]:
    line = PtyWay()
    link = Path(to) if to else None
    try:
        if link:
            link.symlink_to(line.port)
        print(to or line.port, flush=True)
        yield line
    finally:
        line.close()
        if link and link.is_symlink():
            link.unlink()


def _wait_for_a_listener(line: PtyWay) -> None:
    while not line.listening:
        time.sleep(_LOOK_S)


def _wait_until_heard(line: PtyWay) -> None:
    """A pseudo-terminal forgets what nobody read."""
    while line.listening and line.unread:
        time.sleep(_LOOK_S)


def _say(way: Way, messages: Iterator[Message], interval_s: float) -> None:
    try:
        for number, message in enumerate(messages):
            time.sleep(interval_s if number else 0)
            way.say(message)
    finally:
        way.close()
