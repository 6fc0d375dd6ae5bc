"""SQLite's WAL-reset fault: which versions have it, and that the file is never opened twice where they do.

Two connections that write and checkpoint the same write-ahead log may lose what was committed, in 3.7.0 to 3.51.2 but
for the patched 3.44.6 and 3.50.7 and what follows them in their branches (https://www.sqlite.org/wal.html). So the
buffer has one connection in every version, and keeps others out by its lock; what would need a second one (to verify or
export while the agent runs) goes through the recorder.
"""

from __future__ import annotations

_BEGAN = (3, 7, 0)
_ENDED = (3, 51, 3)
_PATCHED = {(3, 44): 6, (3, 50): 7}  # from which patch level on, in these branches
Version = tuple[int, int, int]


class TwoConnections(Exception):
    """The file could be opened a second time with an SQLite that may then lose what was committed."""


def may_lose(version: Version) -> bool:
    """Whether this SQLite has the fault."""
    major, minor, patch = version
    if patch >= _PATCHED.get((major, minor), patch + 1):
        return False
    return _BEGAN <= version < _ENDED


def require_alone(locking_mode: str, version: Version) -> None:
    """Refuses a connection that would let another one in, where two may lose data."""
    if locking_mode != "exclusive" and may_lose(version):
        said = ".".join(map(str, version))
        raise TwoConnections(
            f"SQLite {said} may lose commits when a file is open twice, and this one is not held alone "
            f"(locking_mode is {locking_mode}): open it with locking_mode=EXCLUSIVE, or install SQLite 3.51.3"
        )
