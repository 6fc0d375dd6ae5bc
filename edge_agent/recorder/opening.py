"""Opening the buffer: whatever state the file is in, the agent comes up and deletes nothing.

A file that cannot be used is set aside under another name and stays there. What can be saved of it, of its mirror and
of what was on its way goes into a fresh file, which is a new stream. That one is made under another name and takes the
place of the old one when it is whole, so that a crash at any moment leaves the one or the other:

    buffer.db.fresh is written ──▶ buffer.db becomes buffer.db.damaged-… ──▶ buffer.db.fresh becomes buffer.db
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from shutil import disk_usage
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge_agent.buffer import Buffer, BufferDamaged, BufferError, View
from edge_agent.buffer.connection import is_there, out_of_room, sync_folder
from edge_agent.buffer.salvage import Gap, Salvaged, gaps, salvage
from edge_agent.buffer.schema import NewerFormat
from edge_agent.buffer.store import MIRROR, StreamIdentity
from edge_agent.notify import at_work
from edge_agent.recorder.core import Reason
from edge_agent.recorder.epochs import Seal, microseconds
from edge_agent.recorder.parts import InFlight

FILE = "buffer.db"
ROOM = 1024 * 1024
LONGEST_S = 3600.0  # that a salvage may take before it counts as stuck
NOTHING = InFlight(None, [], [], {}, [], [], {}, {})
log = logging.getLogger(__name__)


class Opened(NamedTuple):
    """An open buffer that knows its stream.

    reason: why the stream is new, None when it goes on; gaps: numbers of streams before that were not found
    """

    buffer: Buffer
    identity: StreamIdentity
    view: View
    reason: Reason | None
    gaps: list[Gap]


class Beginning(NamedTuple):
    """What the first transaction of a stream has to say, kept in the file until then."""

    reason: Reason
    gaps: list[Gap]


class Owner(NamedTuple):
    """Whose buffer it is."""

    store: str
    box: str
    seal: Seal


def open_buffer(folder: Path, store: str, box: str, seal: Seal, now: datetime, mirror: Path | None = None) -> Opened:
    """The buffer in `folder`, made when it is not there, made anew from what can be saved when it cannot be used.

    mirror: a second file that was kept up with it, which fills in what the first one lost
    """
    with at_work(LONGEST_S):
        return _open(folder / FILE, Owner(store, box, seal), now, mirror)


def _open(path: Path, owner: Owner, now: datetime, mirror: Path | None) -> Opened:
    _finish(path)
    if not path.exists() and mirror is not None and is_there(mirror):
        log.error("event=buffer-missing path=%s mirror=%s", path, mirror)
        return _anew(path, owner, now, NOTHING, [mirror], "restored")
    try:
        opened = _opened(Buffer(path), owner)
    except BufferDamaged as damage:
        log.error("event=buffer-damaged reason=%r", str(damage))
        return replace_damaged(path, *owner, now, NOTHING, mirror)
    if mirror is None or not _is_behind(opened, mirror):
        return opened
    log.error("event=buffer-old-image path=%s mirror=%s", path, mirror)
    opened.buffer.close()
    return _anew(path, owner, now, NOTHING, [path, mirror], "re-imaged")


def replace_damaged(
    path: Path, store: str, box: str, seal: Seal, now: datetime, in_flight: InFlight, mirror: Path | None = None
) -> Opened:
    """Sets the closed file aside and opens a fresh one with what it and its mirror still give, and what was on its way
    into it."""
    sources = [path] if mirror is None or not is_there(mirror) else [path, mirror]
    with at_work(LONGEST_S):
        return _anew(path, Owner(store, box, seal), now, in_flight, sources, "salvaged")


def leave_stream(buffer: Buffer, seal: Seal, now: datetime, in_flight: InFlight) -> Opened:
    """Goes on in a new stream, reason forked, with everything that the whole file holds and what was on its way into
    it; the file is closed and set aside. `BufferError`, and the file in its place, where there is no room for both."""
    identity, needed = buffer.view().identity, buffer.space.used() + ROOM
    free = disk_usage(buffer.path.parent).free
    if identity is None or free < needed:
        raise BufferError(f"{buffer.path}: a new stream needs {needed} bytes of disk, {free} are free: make room")
    buffer.close()
    owner = Owner(identity.store, identity.box, seal)
    with at_work(LONGEST_S):
        return _anew(buffer.path, owner, now, in_flight, [buffer.path], "forked")


def _opened(buffer: Buffer, owner: Owner) -> Opened:
    try:
        view = buffer.view()
        if MIRROR in view.facts:
            raise BufferDamaged(f"{buffer.path}: a mirror in the buffer's place; its stream cannot go on from here")
        if view.identity is None:
            identity = StreamIdentity(owner.seal.random(16), None, owner.store, owner.box, owner.seal.random(32))
            buffer.found(identity, msgspec.msgpack.encode(Beginning("new", [])), {})
            return _begun(buffer, buffer.view())
        if not view.transaction:  # ended before its first transaction, in which the stream says what it is
            return _begun(buffer, view)
        if view.epoch is None or buffer.outbox.identity(view.epoch[0]).stream != view.identity.stream:
            raise BufferDamaged(f"{buffer.path}: it says that it is another stream than its newest epoch's header does")
    except BufferError:
        buffer.close()  # it holds a lock that would keep salvage out
        raise
    return Opened(buffer, view.identity, view, None, [])


def _begun(buffer: Buffer, view: View) -> Opened:
    """A stream without an epoch of its own: its first follows none, whatever headers were taken over."""
    if view.identity is None:
        raise BufferError(f"{buffer.path}: its stream was said and is not there")
    said = buffer.beginning()
    reason, lost = msgspec.msgpack.decode(said, type=Beginning) if said else Beginning("new", [])
    return Opened(buffer, view.identity, view._replace(epoch=(0, bytes(16))), reason, lost)


def _is_behind(opened: Opened, mirror: Path) -> bool:
    """Whether the mirror has transactions that the file does not: then the file is an old image, or its disk lost what
    it had confirmed, and numbers after its last are taken already."""
    if not is_there(mirror):
        return False
    try:
        with closing(Buffer(mirror)) as other:
            view = other.view()
    except (BufferError, NewerFormat):
        return False
    same = view.identity is not None and view.identity.stream == opened.identity.stream
    return same and view.transaction > opened.view.transaction


def _anew(
    path: Path, owner: Owner, now: datetime, in_flight: InFlight, sources: Sequence[Path], reason: Reason
) -> Opened:
    found = _with(_saved(sources, owner.seal.public), in_flight)
    fresh = path.with_name(path.name + ".fresh")
    _remove(fresh)
    secret = found[0].secret or owner.seal.random(32)
    identity = StreamIdentity(owner.seal.random(16), found[0].stream, owner.store, owner.box, secret)
    lost = [gap for each in found for gap in gaps(each)]
    buffer = Buffer(fresh)
    try:
        buffer = _adopt(buffer, found, now)
        buffer.found(identity, msgspec.msgpack.encode(Beginning(reason, lost)), found[0].facts)
    finally:
        buffer.close()
    sync_folder(path.parent)
    aside = _set_aside(path, now)
    _finish(path)
    counts = (sum(len(each.rows) for each in found), sum(len(each.batches) for each in found), len(lost))
    log.warning("event=buffer-%s aside=%s rows=%d batches=%d gaps=%d", reason, aside, *counts)
    return _opened(Buffer(path), owner)


def _adopt(buffer: Buffer, found: Sequence[Salvaged], now: datetime) -> Buffer:
    """As much as there is room for: the rest stays in the files that it was found in. The buffer, perhaps reopened."""
    buffer.space.occupy(ROOM)  # without it the new stream could not begin
    try:
        for each in found:
            buffer.adoption.all(each, microseconds(now))
    except BufferError as fault:
        if not out_of_room(fault):
            raise
        log.error("event=salvage-cut-short reason=%r advice='make room, then edge-agent buffer salvage'", str(fault))
        buffer = buffer.reopen()
    buffer.space.vacate()
    return buffer


def _saved(sources: Sequence[Path], box: Ed25519PublicKey) -> list[Salvaged]:
    """What the files give, those of one stream as one; the first is the newest."""
    first = salvage(sources[0], box)
    apart = []
    for path in sources[1:]:
        try:
            other = salvage(path, box)
        except OSError as fault:
            log.error("event=mirror-unreadable path=%s reason=%r", path, str(fault))
            continue
        if first.stream in (other.stream, None):
            first = first.joined(other)
        else:
            apart.append(other)
    return [first, *apart]


def _with(saved: list[Salvaged], in_flight: InFlight) -> list[Salvaged]:
    """And what was on its way into the first."""
    found, *others = saved
    rows = {(row.lane, row.seq): row for row in (*found.rows, *in_flight.rows)}
    whole = found._replace(
        stream=found.stream or in_flight.stream,
        epochs=found.epochs | {new.ordinal: new for new in in_flight.epochs},
        rows=list(rows.values()),
        state=found.state | in_flight.state,
        seen=[*found.seen, *in_flight.seen],
        next=found.next | in_flight.next,
        facts=found.facts | in_flight.facts,
    )
    return [whole.tidied(), *others]


def _finish(path: Path) -> None:
    """The fresh file takes the place of the one that was set aside; beside a file that was not, it is not whole."""
    fresh = path.with_name(path.name + ".fresh")
    if fresh.exists() and not path.exists():
        _log_of(path).unlink(missing_ok=True)  # it stands beside the one set aside, and is not of this file
        sync_folder(path.parent)
        fresh.rename(path)
        sync_folder(path.parent)
    else:
        _remove(fresh)


def _remove(fresh: Path) -> None:
    """A copy that never took anybody's place."""
    for file in (fresh, _log_of(fresh)):
        file.unlink(missing_ok=True)


def _set_aside(path: Path, now: datetime) -> Path | None:
    """The file and its log under a name that says when; an earlier one of that name is never written over."""
    if not path.exists():
        return None
    number = 0
    while (aside := path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}-{number}")).exists():
        number += 1
    if _log_of(path).exists():  # never the file without its log under the one name or the other
        _log_of(aside).unlink(missing_ok=True)
        os.link(_log_of(path), _log_of(aside))
    path.rename(aside)
    return aside


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
