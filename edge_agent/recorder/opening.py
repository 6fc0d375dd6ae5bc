"""Opening the buffer at start-up: whatever state the file is in, the agent comes up and deletes nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from edge_agent.buffer import Buffer, BufferDamaged, View
from edge_agent.buffer.store import StreamIdentity
from edge_agent.recorder.core import Reason
from edge_agent.recorder.epochs import Seal

FILE = "buffer.db"


class Opened(NamedTuple):
    """An open buffer that knows its stream. reason: why the stream is new, None when it goes on."""

    buffer: Buffer
    identity: StreamIdentity
    view: View
    reason: Reason | None


def open_buffer(folder: Path, store: str, box: str, seal: Seal, now: datetime) -> Opened:
    """The buffer in `folder`, made when it is not there; a damaged file is set aside under another name."""
    path = folder / FILE
    try:
        return _open(path, store, box, seal, "new")
    except BufferDamaged:
        for file in folder.glob(f"{FILE}*"):
            if ".damaged-" not in file.name:
                file.rename(file.with_name(file.name.replace(FILE, f"{FILE}.damaged-{now:%Y%m%dT%H%M%S}")))
        return _open(path, store, box, seal, "salvaged")


def _open(path: Path, store: str, box: str, seal: Seal, reason: Reason) -> Opened:
    buffer = Buffer(path)
    view = buffer.view()
    if view.identity is not None:
        return Opened(buffer, view.identity, view, None)
    identity = StreamIdentity(seal.random(16), None, store, box, seal.random(32))
    buffer.found(identity)
    return Opened(buffer, identity, view, reason)
