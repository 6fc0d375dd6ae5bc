"""The shim in `disk.c`: built, put under a process, talked to from inside, and its log read."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

SOURCE = Path(__file__).with_name("disk.c")
ROOT = SOURCE.parents[2]
_HEAD = Struct("<BBHIQQ")


class Operation(NamedTuple):
    """One call that reached the folder's files; `disk.c` says what the fields mean of each kind."""

    kind: str
    failed: bool
    inode: int
    offset: int
    name: str
    data: bytes


class Disk:
    """The shim under this process."""

    def __init__(self) -> None:
        self._shim = ctypes.CDLL(None)
        self._shim.disk_failed.restype = self._shim.disk_calls.restype = ctypes.c_long

    def watch(self, folder: Path, log: Path | None) -> None:
        """From now on, this folder's files; their log is appended to `log`."""
        self._shim.disk_watch(os.fsencode(folder), os.fsencode(log) if log else None)

    def note(self, data: bytes) -> None:
        """Puts a note of our own between the operations."""
        self._shim.disk_note(data, ctypes.c_size_t(len(data)))

    def fail(self, what: str, nth: int, times: int, error: int) -> None:
        """The nth call of a kind from now, and those after it, fail `times` times with `error`."""
        self._shim.disk_fail(ctypes.c_char(what.encode()), ctypes.c_long(nth), ctypes.c_long(times), error)

    def calls(self, what: str) -> int:
        """How many calls of a kind there were since `fail`."""
        return int(self._shim.disk_calls(ctypes.c_char(what.encode())))

    def failed(self) -> int:
        """How many calls failed since `fail`."""
        return int(self._shim.disk_failed())


def build(folder: Path) -> Path:
    """The shim, compiled."""
    shim = folder / "disk.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", shim, SOURCE, "-ldl"], check=True)
    return shim


def operations(log: Path) -> Iterator[Operation]:
    """What a log says, in order."""
    with log.open("rb") as file:
        while head := file.read(_HEAD.size):
            kind, failed, name, data, inode, offset = _HEAD.unpack(head)
            yield Operation(chr(kind), bool(failed), inode, offset, os.fsdecode(file.read(name)), file.read(data))
