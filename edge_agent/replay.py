"""`edge-agent replay`: captured bytes through a driver's decoder and the cleaning, printed as records.

The files are one device's, in order: what it said in one is its state in the next. What is read is neither stored nor
sent. Pseudonyms are of this run alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from secrets import token_bytes
from typing import Any, BinaryIO

from pydantic import ValidationError

from config.device import options_of
from config.faults import ConfigError, Fault
from config.models import model_at
from config.places import dotted
from config.wording import sentence
from devices.driver import Context, Decoder, Item, Reading, Rejected
from devices.options import (
    DatabaseOptions,
    DropOptions,
    InputOptions,
    Options,
    PollOptions,
    SerialOptions,
    VideoOptions,
)
from devices.registry import DriverPackage, driver
from devices.tcp_options import TcpOptions
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from edge_agent.exits import Exit
from records import Record, to_json, type_of

_CHUNK = 64 * 1024
_NOT_HEX = re.compile(r"0x|[\s,:;-]", re.IGNORECASE)
_LISTS = ("tuple_type", "list_type", "set_type", "frozen_set_type")
_WAYS_IN: Mapping[type[Options], Mapping[str, str]] = {  # what says where a device is: no matter for a capture
    SerialOptions: {"port": "capture"},
    DropOptions: {"path": "capture"},
    DatabaseOptions: {"url_file": "capture"},
    InputOptions: {"input": "capture"},
    PollOptions: {"url": "http://capture"},
    TcpOptions: {"host": "capture"},
    VideoOptions: {"source": "capture"},
}


def main(driver_name: str, files: Sequence[Path], settings: Mapping[str, str], *, as_json: bool, as_hex: bool) -> int:
    """Prints the records of `files`; 1 where a file cannot be read. `ConfigError` for a bad setting."""
    try:
        options_of(driver_name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return Exit.USAGE
    package = driver(driver_name)
    replay = Replay(package, options_from(package, settings))
    try:
        for file in files:
            for record in replay.records(chunks(file, as_hex=as_hex)):
                _print(record, as_json=as_json)
    except BrokenPipeError:  # whoever read it has seen enough
        sys.stdout = None
        return Exit.DONE
    except (OSError, ValueError) as error:
        print(f"{file}: {error.strerror if isinstance(error, OSError) else error}", file=sys.stderr)
        return Exit.FAILED
    sys.stdout.flush()
    print(f"{replay.kept} records, {replay.rejected} set aside, {replay.repeats} repeats dropped", file=sys.stderr)
    return Exit.DONE


class Replay:
    """Captures of one device. `kept`, `rejected`, `repeats`: what came of them so far."""

    def __init__(self, package: DriverPackage, options: Options) -> None:
        self._decoder = package.decoder
        self._options = options
        self._state: dict[str, bytes] = {}
        self._policy = Policy(token_bytes(32))
        self._identities: set[str] = set()
        self.kept = self.rejected = self.repeats = 0

    def records(self, chunks: Iterator[bytes]) -> Iterator[Record]:
        """The records of one capture, its rejects as `quarantine`."""
        at = datetime.now(UTC)
        for items in _decoded(self._decoder(self._options, self._context()), chunks, at):
            for item in items:
                record = self._record(item, at)
                if record is not None:
                    yield record

    def _context(self) -> Context:
        chosen = self._options
        zone = chosen.zone or Context().timezone
        return Context(dict(self._state), zone, chosen.business_day_start or time(0))

    def _record(self, item: Item, at: datetime) -> Record | None:
        self._remember(item.state)
        if isinstance(item, Reading) and self._repeated(item):
            self.repeats += 1
            return None
        name = self._options.id
        cleaned = clean(item, name, self._policy, Moment(at)) if isinstance(item, Reading) else item
        if isinstance(cleaned, Rejected):
            self.rejected += 1
            return quarantine(cleaned, name)
        self.kept += 1
        return cleaned

    def _remember(self, state: Mapping[str, bytes | None]) -> None:
        for key, value in state.items():
            if value is None:
                self._state.pop(key, None)
            else:
                self._state[key] = value

    def _repeated(self, reading: Reading) -> bool:
        if reading.identity is None:
            return False
        before = len(self._identities)
        self._identities.add(reading.identity)
        return len(self._identities) == before


def options_from(package: DriverPackage, settings: Mapping[str, str]) -> Options:
    """A device's options from `--set` alone; `ConfigError` names every fault.

    Keys may be dotted; values are text, read as what the option takes; a list is separated by commas. Where the
    device is (port, folder) need not be said.
    """
    model = package.options
    data: dict[str, Any] = {"id": "replay", "driver": package.name}
    for way, places in _WAYS_IN.items():
        if issubclass(model, way):
            data |= places
    for key, value in settings.items():
        _put(data, key.split("."), value)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _retype(data, details["loc"], details["type"])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = [
            Fault("--set", 0, dotted(details["loc"]), sentence(details, model_at(model, data, details["loc"])))
            for details in error.errors(include_url=False)
        ]
        raise ConfigError(faults) from error


def _put(data: dict[str, Any], path: Sequence[str], value: str) -> None:
    for step in path[:-1]:
        inner = data.setdefault(step, {})
        if not isinstance(inner, dict):
            inner = data[step] = {}
        data = inner
    data[path[-1]] = value


def _retype(data: Any, path: Sequence[int | str], fault: str) -> None:
    """Turns a text that the options refused for its type into the number or list that it spells."""
    *outer, last = path or ("",)  # a fault of the whole has no path
    for step in outer:
        data = data.get(step) if isinstance(data, dict) else None
    text = data.get(last) if isinstance(data, dict) else None
    if not isinstance(text, str):
        return
    if fault in _LISTS:
        data[last] = [part.strip() for part in text.split(",")]
    elif fault == "literal_error" and text.isdecimal():
        data[last] = int(text)


def chunks(file: Path, *, as_hex: bool) -> Iterator[bytes]:
    """A capture's bytes; `-` is standard input. `ValueError` for bad hexadecimal, `OSError` for a bad file."""
    if str(file) == "-":
        yield from _pieces(sys.stdin.buffer, as_hex=as_hex)
        return
    with file.open("rb") as stream:
        yield from _pieces(stream, as_hex=as_hex)


def _pieces(stream: BinaryIO, *, as_hex: bool) -> Iterator[bytes]:
    if as_hex:
        yield _from_hex(stream.read())
        return
    while chunk := stream.read(_CHUNK):
        yield chunk


def _from_hex(text: bytes) -> bytes:
    try:
        return bytes.fromhex(_NOT_HEX.sub("", text.decode("ascii")))
    except ValueError as error:
        raise ValueError("is no hexadecimal text; leave out --hex for captured bytes") from error


def _decoded(decoder: Decoder, chunks: Iterator[bytes], at: datetime) -> Iterator[Sequence[Item]]:
    for chunk in chunks:
        yield decoder.feed(chunk, at)
    yield decoder.end(at)


def _print(record: Record, *, as_json: bool) -> None:
    line = to_json(record) if as_json else _line(record)
    sys.stdout.buffer.write(line + b"\n")


def _line(record: Record) -> bytes:
    kind = type_of(record.data).name
    data = to_json(record).partition(b'"data":')[2][:-1]
    return f"{record.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}  {kind:<12}  ".encode() + data
