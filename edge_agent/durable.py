"""Small files that are wholly the old or wholly the new one, whatever happens."""

from __future__ import annotations

import os
from pathlib import Path

from edge_agent.buffer.connection import sync_folder


def replace(path: Path, content: bytes) -> None:
    """Returns once the disk has it."""
    fresh = path.with_name(f".{path.name}")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)
