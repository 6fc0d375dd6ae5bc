"""What may lie on a disk after a power cut, from the log of what was written to it.

The model. A file's durable content is what its last sync saw. Of what was written since, any part may be there, sector
by sector (512 bytes, whole or not at all): a sector holds what it held after some one of the writes that touched it.
A truncation happened or did not. Names come, go and change in order; which of them since the folder's last sync are
there is a prefix. This allows all that ext4 does, and more: nothing ties one file's writes to another's, nor to names.
After a failed sync what was to be synced is clean in the page cache and not on the disk, for ever: as Linux has it.

Not in the model: a sector half written, a neighbour of a written sector damaged, a disk that lies about its cache.

The states are laid out in a folder one after another: a file holds its durable content, a state is written over it and
taken back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.faults.disk import Operation

SECTOR = 512
PAGE = 4096
UNTOUCHED_NS = 1


class Change(NamedTuple):
    """A sector's new content, or, where there is none, the file's new size."""

    at: int
    content: bytes | None


@dataclass(eq=False)
class File:
    """cached: as processes see it; durable: as the disk has it, and `image`, a file, too; since: changes since."""

    image: Path
    cached: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    since: list[Change] = field(default_factory=list)
    dirty: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.fd = os.open(self.image, os.O_RDWR | os.O_CREAT, 0o600)

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        self._resize(self.cached, max(len(self.cached), end))
        self.cached[offset:end] = data
        for at in range(offset - offset % SECTOR, end, SECTOR):
            self.since.append(Change(at, bytes(self.cached[at : at + SECTOR])))
        self.dirty.update(range(offset // PAGE, (end - 1) // PAGE + 1))

    def truncate(self, size: int) -> None:
        self._resize(self.cached, size)
        self.since.append(Change(size, None))

    def sync(self) -> None:
        self._resize(self.durable, len(self.cached))
        os.ftruncate(self.fd, len(self.durable))
        for page in self.dirty:
            part = self.cached[page * PAGE : (page + 1) * PAGE]
            self.durable[page * PAGE : page * PAGE + len(part)] = part
            os.pwrite(self.fd, part, page * PAGE)
        self.forget()

    def forget(self) -> None:
        """What was to be synced is clean in the cache, and is not on the disk."""
        self.since.clear()
        self.dirty.clear()

    def lay(self, changes: Sequence[Change]) -> None:
        """Writes a state over the durable content."""
        for at, content in changes:
            if content is None:
                os.ftruncate(self.fd, at)
            else:
                os.pwrite(self.fd, content, at)

    def take_back(self, changes: Sequence[Change]) -> None:
        """Back to the durable content, where nobody has written anything else meanwhile."""
        for at, content in changes:
            if content is not None:
                os.pwrite(self.fd, self.durable[at : at + SECTOR], at)
        if any(content is None for _, content in changes):
            self.restore()
        elif changes:
            os.ftruncate(self.fd, len(self.durable))

    @property
    def restored(self) -> bool:
        """Whether the file has the durable content; one that was written over with what it held has."""
        return os.pread(self.fd, len(self.durable) + 1, 0) == self.durable

    def restore(self) -> None:
        """Back to the durable content, whatever was done to the file."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, self.durable, 0)

    @staticmethod
    def _resize(content: bytearray, size: int) -> None:
        if size > len(content):
            content.extend(bytes(size - len(content)))
        else:
            del content[size:]


Names = dict[str, File]


class State(NamedTuple):
    """What is there after a cut: names, and of each file what was written since its sync. how: which kind it is."""

    how: str
    names: Names
    changes: dict[int, list[Change]]


class Past:
    """The folder as a log tells it, operation by operation. images: a folder for the files' contents."""

    def __init__(self, images: Path) -> None:
        self._images = images
        self._files: list[File] = []
        self._by_inode: dict[int, File] = {}
        self._names: Names = {}
        self._history: list[Names] = [{}]

    def find(self, folder: Path) -> None:
        """The folder was there before the log began, and all of it is on the disk."""
        for path in folder.iterdir():
            file = self._names[path.name] = self._new()
            file.cached, file.durable = (bytearray(path.read_bytes()) for _ in range(2))
            file.restore()
        self._history = [self._names]

    def step(self, operation: Operation) -> None:
        kind, failed, inode, offset, name, data = operation
        match kind:
            case "O" if offset:
                self._by_inode[inode] = self._new()
                self._names_now({**self._names, name: self._by_inode[inode]})
            case "O":
                self._by_inode[inode] = self._names[name]
            case "W" if not failed:
                self._by_inode[inode].write(offset, data)
            case "T":
                self._by_inode[inode].truncate(offset)
            case "S" if failed:
                self._by_inode[inode].forget()
            case "S":
                self._by_inode[inode].sync()
            case "D" if not failed:
                self._history = [self._names]
            case "U":
                self._names_now(_without(self._names, name))
            case "L":
                self._names_now({**self._names, os.fsdecode(data): self._names[name]})
            case "R":
                self._names_now({**_without(self._names, name), os.fsdecode(data): self._names[name]})

    def _new(self) -> File:
        self._files.append(File(self._images / f"{len(self._files)}"))
        return self._files[-1]

    def close(self) -> None:
        for file in self._files:
            os.close(file.fd)

    def _names_now(self, names: Names) -> None:
        self._names = names
        self._history.append(names)

    def cached(self) -> dict[str, bytes]:
        """What a process sees now."""
        return {name: bytes(file.cached) for name, file in self._names.items()}

    def states(self, random: Random, torn: int) -> Iterator[State]:
        """What a cut at this moment may leave: nothing since the syncs, all, a prefix, and `torn` mixtures."""
        oldest, newest = self._history[0], self._history[-1]
        yield State("none", oldest, {})
        if len(self._history) == 1 and not any(file.since for file in newest.values()):
            return
        yield State("all", newest, {id(file): file.since for file in newest.values()})
        names = random.choice(self._history)
        yield State("prefix", names, {id(file): _prefix(file.since, random) for file in names.values()})
        for _ in range(torn):
            names = random.choice(self._history)
            yield State("torn", names, {id(file): _torn(file.since, random) for file in names.values()})


def _without(names: Names, name: str) -> Names:
    return {other: file for other, file in names.items() if other != name}


def _prefix(since: list[Change], random: Random) -> list[Change]:
    return since[: random.randint(0, len(since))]


def _torn(since: list[Change], random: Random) -> list[Change]:
    """Each sector as one of the writes left it, or as it was; truncations or not."""
    versions: dict[int, int] = {}
    likely = random.choice((0.1, 0.5, 0.9, 0.98))
    for at, content in since:
        if content is not None:
            versions[at] = versions.get(at, 0) + 1
    there = {at: count if random.random() < likely else random.randrange(count) for at, count in versions.items()}
    kept: list[Change] = []
    for change in since:
        if change.content is None:
            kept += [change] if random.random() < likely else []
        elif there[change.at] > 0:
            there[change.at] -= 1
            kept.append(change)
    return kept


class Stage:
    """A folder in which states are laid out one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._laid: Names = {}

    @contextmanager
    def laid(self, state: State) -> Iterator[Path]:
        """The folder as this state has it. Whatever is done to it there is undone."""
        if state.names != self._laid:
            self._name(state.names)
        for file in state.names.values():
            file.lay(state.changes.get(id(file), ()))
            os.utime(file.fd, ns=(UNTOUCHED_NS, UNTOUCHED_NS))
        yield self.folder
        for file in state.names.values():
            touched = os.fstat(file.fd).st_mtime_ns != UNTOUCHED_NS
            file.take_back(state.changes.get(id(file), ()))
            if touched and not file.restored:
                file.restore()
        if {entry.name for entry in os.scandir(self.folder)} != self._laid.keys():
            self._name(state.names)

    def _name(self, names: Names) -> None:
        for entry in list(os.scandir(self.folder)):
            os.unlink(entry.path)
        for name, file in names.items():
            os.link(file.image, self.folder / name)
        self._laid = names
