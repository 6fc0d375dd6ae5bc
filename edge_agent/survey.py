"""How much a buffer holds, as `edge-agent buffer status` says it: one object for programs, lines for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from edge_agent.buffer.guard import may_lose
from edge_agent.buffer.space import Limits
from edge_agent.buffer.store import Buffer
from edge_agent.recorder.admission import FACT
from records import Lane

MIB = 1024 * 1024
Said = dict[str, Any]


def survey(buffer: Buffer, limits: Limits, now_us: int) -> Said:
    """Counts, bytes and ages. oldest_s: of what was cut; hours_left: until something unsent must go, None where nothing
    was cut lately to reckon from; ids in hex."""
    view, inspection, room = buffer.view(), buffer.inspection, buffer.space.room(limits)
    identity, grace, rate = view.identity, inspection.grace(), inspection.rate(now_us)
    epochs = inspection.epochs()
    own = identity.stream if identity else b""
    return {
        "file": str(buffer.path),
        "format": inspection.format(),
        "sqlite": sqlite3.sqlite_version,
        "sqlite_wal_reset_fault": may_lose(sqlite3.sqlite_version_info),
        "stream": own.hex(),
        "previous": identity.previous.hex() if identity and identity.previous else None,
        "earlier_streams": {stream.hex(): n for stream, n in inspection.streams().items() if stream != own},
        "epochs": len(epochs),
        "headers_unsent": sum(not held.receipted for held in epochs),
        "lanes": {lane.name.lower(): _lane(buffer, lane, now_us) for lane in Lane},
        "grace": {"batches": grace.batches, "bytes": grace.bytes, "oldest_s": _age_s(grace.oldest_us, now_us)},
        "bytes": buffer.space.on_disk(),
        "used": buffer.space.used(),
        "budget": limits.budget,
        "floor": limits.floor,
        "reserve": limits.reserve,
        "room": room.normal,
        "room_vital": room.vital,
        "bytes_per_s": round(rate, 1),
        "hours_left": round(max(0, room.normal + grace.bytes) / rate / 3600, 1) if rate else None,
        "refused": {name.removeprefix(FACT): n for name, n in view.facts.items() if name.startswith(FACT) and n},
        "set_aside": sorted(str(path) for path in buffer.path.parent.glob(f"{buffer.path.name}.damaged-*[0-9]")),
    }


def _lane(buffer: Buffer, lane: Lane, now_us: int) -> Said:
    held = buffer.inspection.lane(lane)._asdict()
    return {**held, "oldest_s": _age_s(held.pop("oldest_us"), now_us)}


def _age_s(since_us: int | None, now_us: int) -> int | None:
    return None if since_us is None else max(0, (now_us - since_us) // 1_000_000)


def in_words(said: Said) -> Iterator[str]:
    """The same for people, line by line."""
    yield f"{said['file']}, format {said['format']}, stream {said['stream']}"
    for stream, epochs in said["earlier_streams"].items():
        yield f"  still holds {epochs} epochs of stream {stream}, which came before it"
    for name, lane in said["lanes"].items():
        age = "" if lane["oldest_s"] is None else f", the oldest of {_span(lane['oldest_s'])} ago"
        unsent = f"{lane['records']:,} unsent in {lane['batches']:,} batches ({_size(lane['bytes'])}{age})"
        yield f"  {name:<7} {lane['accepted']:,} accepted, {lane['rows']:,} not cut yet, {unsent}"
    yield f"  grace   {said['grace']['batches']:,} batches that headquarters has ({_size(said['grace']['bytes'])})"
    yield f"  epochs  {said['epochs']} held, the headers of {said['headers_unsent']} without a receipt"
    yield f"  space   {_size(said['bytes'])} of {_size(said['budget'])}, room for {_size(max(0, said['room']))} more"
    left = "nothing was cut lately" if said["hours_left"] is None else f"full in {said['hours_left']:,} hours"
    yield f"          at the present rate of {said['bytes_per_s']:,} bytes a second: {left}"
    if said["refused"]:
        told = ", ".join(f"{n:,} {name}" for name, n in said["refused"].items())
        yield f"  refused {told}: there was no room; they are told to headquarters once there is"
    for path in said["set_aside"]:
        yield f"  set aside: {path}; `edge-agent buffer salvage {path}` takes in what it still holds"
    yield f"  SQLite {said['sqlite']}{_fault(said)}"
    if said.get("mirror"):
        yield f"  mirror  {said['mirror']['path']}: {said['mirror']['says']}"


def _fault(said: Said) -> str:
    if not said["sqlite_wal_reset_fault"]:
        return ""
    return ": has the WAL-reset fault, so nothing but the agent's one connection opens the file"


def _size(count: int) -> str:
    return f"{count / MIB:,.1f} MiB" if count >= MIB // 10 else f"{count / 1024:,.1f} KiB"


def _span(seconds: int) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
