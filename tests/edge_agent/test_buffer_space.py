"""The reserve inside the buffer's file is made once, and costs nothing while it is there."""

from __future__ import annotations

from pathlib import Path

from edge_agent.buffer.connection import Connection
from edge_agent.buffer.schema import PAGE
from edge_agent.buffer.space import STEP, Limits, Space

RESERVE = 4 * STEP
LIMITS = Limits(budget=64 * STEP, floor=0, reserve=RESERVE)


def free(db: Connection) -> int:
    return int(db.one("PRAGMA freelist_count")) * PAGE


def test_the_reserve_is_full_after_a_few_steps_and_then_left_alone(tmp_path: Path) -> None:
    """One step more for each call until there is enough; a call after that writes nothing."""
    db = Connection(tmp_path / "buffer.db")
    space = Space(db)
    for _ in range(RESERVE // STEP):
        before = free(db)
        space.keep_reserve(LIMITS)
        assert free(db) >= before + STEP - 8 * PAGE
    space.keep_reserve(LIMITS)
    assert free(db) >= RESERVE

    written = (tmp_path / "buffer.db").read_bytes(), (tmp_path / "buffer.db-wal").read_bytes()
    space.keep_reserve(LIMITS)
    assert ((tmp_path / "buffer.db").read_bytes(), (tmp_path / "buffer.db-wal").read_bytes()) == written
    db.close()


def test_the_reserve_never_passes_the_budget(tmp_path: Path) -> None:
    """File and log together stay below it, whatever the reserve asks for."""
    tight = LIMITS._replace(budget=5 * STEP)
    db = Connection(tmp_path / "buffer.db")
    space = Space(db)
    for _ in range(10):
        space.keep_reserve(tight)
        assert space.on_disk() <= tight.budget
    assert free(db) >= STEP
    db.close()
