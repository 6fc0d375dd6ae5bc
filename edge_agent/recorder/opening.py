"""Opening the buffer: whatever state the file is in, the agent comes up and deletes nothing.

A damaged file is set aside under another name and stays there; what can be saved of it goes into a fresh file, which is
a new stream.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from edge_agent.buffer import Buffer, BufferDamaged, BufferError, View
from edge_agent.buffer.packing import pack
from edge_agent.buffer.salvage import Gap, Salvaged, gaps, salvage
from edge_agent.buffer.store import StreamIdentity
from edge_agent.recorder.core import Reason
from edge_agent.recorder.epochs import Seal, microseconds
from edge_agent.recorder.parts import InFlight

FILE = "buffer.db"
NOTHING = InFlight(None, [], [], {}, [], [], {})
log = logging.getLogger(__name__)


class Opened(NamedTuple):
    """An open buffer that knows its stream.

    reason: why the stream is new, None when it goes on; gaps: numbers of the stream before that were not found
    """

    buffer: Buffer
    identity: StreamIdentity
    view: View
    reason: Reason | None
    gaps: list[Gap]


def open_buffer(folder: Path, store: str, box: str, seal: Seal, now: datetime) -> Opened:
    """The buffer in `folder`, made when it is not there, made anew from what can be saved when it is damaged."""
    path = folder / FILE
    try:
        return _opened(Buffer(path), store, box, seal)
    except BufferDamaged as damage:
        log.error("event=buffer-damaged reason=%r", str(damage))
        return replace_damaged(path, store, box, seal, now, NOTHING)


def _opened(buffer: Buffer, store: str, box: str, seal: Seal) -> Opened:
    try:
        view = buffer.view()
    except BufferError:
        buffer.close()  # it holds a lock that would keep salvage out
        raise
    if view.identity is None:
        return _found(buffer, StreamIdentity(seal.random(16), None, store, box, seal.random(32)), "new", [])
    if not view.transaction:  # ended before its first transaction, in which the stream says what it is
        return _begun(buffer, view.identity, "salvaged" if view.identity.previous else "new", [])
    return Opened(buffer, view.identity, view, None, [])


def replace_damaged(path: Path, store: str, box: str, seal: Seal, now: datetime, in_flight: InFlight) -> Opened:
    """Sets the closed file aside and opens a fresh one with what it still gives, and what was on its way into it."""
    aside = _set_aside(path, now)
    found = _with(salvage(aside, seal.public), in_flight)
    identity = StreamIdentity(seal.random(16), found.stream, store, box, seal.random(32))
    buffer = Buffer(path)
    now_us = microseconds(now)
    packed = pack(found.rows, {ordinal: new.epoch for ordinal, new in found.epochs.items()}, now_us)
    buffer.adopt(found, packed, now_us)
    lost = gaps(found)
    counts = (len(found.rows), len(found.batches), len(lost))
    log.warning("event=buffer-salvaged aside=%s rows=%d batches=%d gaps=%d", aside, *counts)
    return _found(buffer, identity, "salvaged", lost)


def _with(found: Salvaged, in_flight: InFlight) -> Salvaged:
    epochs = found.epochs | {new.ordinal: new for new in in_flight.epochs}
    rows = {(row.lane, row.seq): row for row in (*found.rows, *in_flight.rows)}
    return found._replace(
        stream=found.stream or in_flight.stream,
        epochs=epochs,
        rows=list(rows.values()),
        state=found.state | in_flight.state,
        seen=[*found.seen, *in_flight.seen],
        next=found.next | in_flight.next,
    )


def _found(buffer: Buffer, identity: StreamIdentity, reason: Reason, lost: list[Gap]) -> Opened:
    """Says in the file which stream it is."""
    buffer.found(identity)
    return _begun(buffer, identity, reason, lost)


def _begun(buffer: Buffer, identity: StreamIdentity, reason: Reason, lost: list[Gap]) -> Opened:
    """A stream without an epoch of its own: its first follows none, whatever headers were taken over."""
    view = buffer.view()
    ordinal = view.epoch[0] if view.epoch else 0
    return Opened(buffer, identity, view._replace(epoch=(ordinal, bytes(16))), reason, lost)


def _set_aside(path: Path, now: datetime) -> Path:
    """The file and its log under a name that says when; an earlier one of that name is never written over."""
    number = 0
    while (aside := path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}-{number}")).exists():
        number += 1
    for file in (path, path.with_name(path.name + "-wal")):
        if file.exists():
            file.rename(aside.with_name(file.name.replace(path.name, aside.name)))
    return aside
