"""One process at a time on a data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "agent.lock"


class Occupied(OSError):
    """Another agent runs on the same data directory."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; `Occupied` while somebody else does."""
    owner = folder.stat()
    with (folder / LOCK).open("a") as lock:
        if os.geteuid() == 0:
            os.fchown(lock.fileno(), owner.st_uid, owner.st_gid)  # or the agent could not take it afterwards
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(f"another edge-agent runs on {folder}; stop it first") from None
        yield
