"""A box that reads a folder of lines and may crash."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

from devices.driver import Context, Item, Reading, Rejected, Taken
from devices.drop_folder import DropFolder
from devices.options import DropOptions
from records.types import CheckDone


class Lines:
    """A line is a reading; one that begins with `!` is set aside."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._item(line, at) for line in lines]

    def end(self, at: datetime) -> Sequence[Item]:
        return [self._item(self._rest, at)] if self._rest else []

    def _item(self, line: bytes, at: datetime) -> Item:
        if line.startswith(b"!"):
            return Rejected("begins with !", line[:4096], at)
        return Reading(CheckDone(line.decode(), "ok"), at)


def _lines(_name: str) -> Lines:
    return Lines()


class Box:
    """A store's box: what is on its disk, and a driver that a crash takes away."""

    def __init__(self, path: Path, **options: object) -> None:
        self.options = DropOptions.model_validate(
            {"id": "drop", "driver": "lines", "path": path, "settle_s": 0, **options}
        )
        self.state: dict[str, bytes] = {}
        self.accepted: list[str] = []
        self.start()

    def start(self) -> None:
        self.driver = DropFolder(self.options, _lines, Context(state=dict(self.state)))
        self.driver.open()

    def commit(self, items: Iterable[Item]) -> None:
        for item in items:
            self.accepted.append(item.reason if isinstance(item, Rejected) else cast(CheckDone, item.data).item)
            for key, value in item.state.items():
                if value is None:
                    self.state.pop(key, None)
                else:
                    self.state[key] = value

    def drain(self) -> list[Taken]:
        parts = []
        while (taken := self.driver.read(0)).items:
            self.commit(taken.items)
            if taken.confirm:
                taken.confirm()
            parts.append(taken)
        return parts


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last))


def told(first: int, last: int) -> list[str]:
    return [f"line {number}" for number in range(first, last)]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())
