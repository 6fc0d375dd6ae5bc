"""The shared way in of drivers that read files: a folder into which another system drops them.

A file is taken when it is complete: untouched for `settle_s` (0: they are renamed into the folder). Dot files, `*.tmp`,
`*.part`, `*.filepart` and whatever is no regular file are left alone. The oldest goes first.

    seen ──settled──▶ hashed ──▶ decoded, given in parts ──all on disk──▶ deleted, or moved to done/
                                     └─ nothing was readable ──all on disk──▶ moved to failed/ with a .reason

Where the folder may not be written (`read_only`) files stay, and the states of those that are there are the ledger of
what was taken: after a restart each is read again, and known by its content.

Invariants:
1. A file leaves the folder only after all that was read from it is on disk; from one that is read only, never.
2. A crash at any point doubles nothing and loses nothing. Every item carries the state
   `file:<hash of the name>` → `<hash of the content>:<items given so far>`, committed with the item; after a restart
   the file is decoded anew and what was committed is left out. This needs a decoder that gives the same items for the
   same bytes, so what it is told as arrival is the time the file was last written, not the clock's.
3. A file's state is forgotten with the next file's first item, after its departure was made durable. A mount that is
   gone and leaves an empty folder makes nothing forgotten: nothing comes out of it.
4. A file that is rewritten while it is read is noticed by its hash, inode, size and time: it stays, and is read again
   as the new content that it is. What of the old content was given stays given; a till's source identities tell HQ.
5. A file of which more was set aside than the quarantine keeps is moved to failed/, not deleted.

It does not guard the instant between the last look at a file and its deletion: who drops files gives each its own name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain, count
from pathlib import Path
from threading import Event, Lock
from time import monotonic

import msgspec

from devices.driver import Context, Decoder, DeviceOffline, Item, Rejected, Taken
from devices.dropped_file import STATE, Cursor, DroppedFile, Outcome, Seen
from devices.options import DropOptions

MOST_ITEMS = 500
POLL_S = 0.5
PASSING_S = 10.0  # that one read passes over files without news; longer would look like a share that hangs
STILL_WRITING = (".tmp", ".part", ".filepart")
NOT_OURS = ("done", "failed")
Version = tuple[str, str]  # key and content of a file
NONE: Version = ("", "")


class DropFolder:
    """A `Driver` over a folder. `confirm` may be called from any thread."""

    def __init__(self, options: DropOptions, make_decoder: Callable[[str], Decoder], context: Context) -> None:
        self._options = options
        self._make_decoder = make_decoder
        cursors = {k: Cursor.decode(v) for k, v in context.state.items() if k.startswith(STATE)}
        self._on_disk: dict[Version, int] = {(k, cursor.content): cursor.given for k, cursor in cursors.items()}
        self._kept = set(cursors)  # keys that the agent's state may hold
        self._giving = NONE
        self._leaving: dict[Version, Outcome] = {}
        self._staying: set[Seen] = set()  # all on disk, in a folder that is read only
        self._present: set[str] = set()
        self._stuck = ""
        self._file: DroppedFile | None = None
        self._first_seen: dict[Seen, float] = {}
        self._ready: list[Seen] = []
        self._unreadable: set[Seen] = set()
        self._closed = Event()
        self._lock = Lock()

    def open(self) -> None:
        """`DeviceOffline` when the folder is missing, or may not be changed and is not read only.

        After a close, what was given and not confirmed is given again.
        """
        folder = self._options.path
        if not folder.is_dir():
            raise DeviceOffline(f"{folder} is no folder: create or mount it, or correct `path`")
        needed, name = (os.R_OK | os.X_OK, "rx") if self._options.read_only else (os.R_OK | os.W_OK | os.X_OK, "rwx")
        if not os.access(folder, needed, effective_ids=True):
            raise DeviceOffline(f"{folder} is closed to the agent: give its user {name} permission on it")
        self._closed.clear()
        self._stuck = ""
        with self._lock:
            for version in list(self._leaving):
                self._leave_if_on_disk(version)
            self._leaving = {v: one for v, one in self._leaving.items() if self._on_disk.get(v, 0) >= one.total}

    def read(self, timeout_s: float) -> Taken:
        """Up to 500 items of one file; nothing when none is complete within the time."""
        if self._stuck:
            raise DeviceOffline(self._stuck)
        until = monotonic() + PASSING_S
        try:
            while True:
                if self._file is None and (refused := self._open_next(timeout_s)):
                    return Taken((refused,))
                if self._file is None:
                    return Taken()
                if (taken := self._take(self._file)).items or monotonic() > until:
                    return taken
        except OSError as error:
            raise DeviceOffline(f"{self._options.path} cannot be read ({error.strerror}): is it mounted?") from error

    def close(self) -> None:
        self._closed.set()
        self._shut()

    # --- finding -----------------------------------------------------------------------------------------------

    def _open_next(self, timeout_s: float) -> Rejected | None:
        """Opens the oldest complete file, if there is one within the time; what is said of one that cannot be read."""
        until = monotonic() + timeout_s
        while (seen := self._next_complete()) is None:
            if self._closed.wait(max(0.0, min(POLL_S, until - monotonic()))) or monotonic() >= until:
                return None
        try:
            file = DroppedFile(self._options.path / seen.name, seen, self._make_decoder(seen.name))
        except FileNotFoundError:
            return None
        except PermissionError:
            self._unreadable.add(seen)
            return _note(seen, "permission to read it is missing: give it to the agent's user")
        self._giving = (seen.key, file.content)
        file.skip(self._on_disk.get(self._giving, 0))
        self._file = file
        return None

    def _next_complete(self) -> Seen | None:
        if not self._ready:
            self._scan()
        while self._ready:
            seen = self._ready.pop()
            if self._look(seen.name) == seen:
                return seen
        return None

    def _scan(self) -> None:
        """Refills `_ready`, the oldest last."""
        now = monotonic()
        with os.scandir(self._options.path) as entries:
            found = {seen for e in entries if self._is_ours(e) and (seen := self._look(e.name))}
        self._first_seen = {seen: self._first_seen.get(seen, now) for seen in found}
        self._unreadable &= found
        with self._lock:
            self._staying &= found
            self._present = {seen.key for seen in found}
            waiting = self._unreadable.union(self._staying, (outcome.seen for outcome in self._leaving.values()))
        settled = (s for s, first in self._first_seen.items() if now - first >= self._options.settle_s)
        self._ready = sorted(set(settled) - waiting, reverse=True)

    def _is_ours(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if name.startswith(".") or name.lower().endswith(STILL_WRITING) or name in NOT_OURS:
            return False
        return fnmatchcase(name, self._options.pattern) and entry.is_file(follow_symlinks=False)

    def _look(self, name: str) -> Seen | None:
        try:
            return Seen.of(name, (self._options.path / name).lstat())
        except FileNotFoundError:
            return None

    # --- giving ------------------------------------------------------------------------------------------------

    def _take(self, file: DroppedFile) -> Taken:
        version = self._giving
        items = file.part(MOST_ITEMS)
        if items:
            items[0] = self._forgetting(items[0], file.seen.key)
        upto = file.given
        if file.finished:
            self._shut()
            if file.changed:
                items.append(_note(file.seen, "it was rewritten while it was read: it is read again as it is now"))
                return Taken(items, partial(self._confirm, NONE, 0))
            with self._lock:
                self._leaving[version] = file.outcome()
                self._leave_if_on_disk(version)
        return Taken(items, partial(self._confirm, version, upto)) if items else Taken()

    def _forgetting(self, item: Item, key: str) -> Item:
        """The item, which also forgets the state of files that have left."""
        with self._lock:
            gone = self._kept - self._present - {key}
            if self._options.read_only:
                self._on_disk = {version: given for version, given in self._on_disk.items() if version[0] not in gone}
        self._kept = (self._kept - gone) | {key}
        return msgspec.structs.replace(item, state={**dict.fromkeys(gone), **item.state}) if gone else item

    def _shut(self) -> None:
        if self._file:
            self._file.close()
        self._file = None

    # --- leaving -----------------------------------------------------------------------------------------------

    def _confirm(self, version: Version, upto: int) -> None:
        with self._lock:
            if version == self._giving or version in self._leaving:
                self._on_disk[version] = max(upto, self._on_disk.get(version, 0))
                self._leave_if_on_disk(version)

    def _leave_if_on_disk(self, version: Version) -> None:
        outcome = self._leaving.get(version)
        if outcome is None or self._on_disk.get(version, 0) < outcome.total:
            return
        if self._options.read_only:
            self._staying.add(outcome.seen)
            del self._leaving[version]
            return
        try:
            if self._look(outcome.seen.name) == outcome.seen:
                self._leave(outcome)
                self._present.discard(version[0])
        except OSError as error:
            name, folder = outcome.seen.printable, self._options.path
            self._stuck = f"{name} cannot leave {folder} ({error.strerror}): let the agent's user change the folder"
            return
        del self._leaving[version]
        self._on_disk.pop(version, None)
        self._giving = NONE if self._giving == version else self._giving

    def _leave(self, outcome: Outcome) -> None:
        path = self._options.path / outcome.seen.name
        if outcome.failed:
            kept = _move(path, self._options.path / "failed")
            reasons = "".join(f"{reason}\n" for reason in outcome.reasons)
            kept.with_name(kept.name + ".reason").write_text(reasons, encoding="utf-8")
        elif self._options.keep_done:
            _move(path, self._options.path / "done")
        else:
            path.unlink()
        _make_durable(self._options.path)


def _move(path: Path, folder: Path) -> Path:
    """Where it is now: under its own name, or with a number behind it where that is taken."""
    folder.mkdir(exist_ok=True)
    names = chain([path.name], (f"{path.name}.{number}" for number in count(2)))
    target = next(folder / name for name in names if not (folder / name).exists())
    path.rename(target)
    _make_durable(folder)
    return target


def _make_durable(folder: Path) -> None:
    """What left must not come back after a power cut, when its cursor is forgotten."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network file systems refuse to sync a folder
            os.fsync(handle)
    finally:
        os.close(handle)


def _note(seen: Seen, reason: str) -> Rejected:
    return Rejected(f"file {seen.printable}: {reason}", b"", seen.at)
