"""`edge-agent buffer`: asks the running daemon; where none runs, opens the file itself, under the daemon's lock."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from cloud_sync.seal.hpke import KeyFileError
from cloud_sync.wire import export as wire
from cloud_sync.wire.reader import WireError
from config import load
from config.store import StoreConfig
from edge_agent.buffer import Buffer, BufferError
from edge_agent.buffer.connection import sync_folder
from edge_agent.buffer.schema import NewerFormat
from edge_agent.buffer_answers import BufferAnswers, found_in, limits_of, summary
from edge_agent.clock import SystemClock
from edge_agent.exits import Exit
from edge_agent.keys import read_keys
from edge_agent.lock import Occupied, alone_in
from edge_agent.recorder.opening import FILE
from edge_agent.survey import in_words
from edge_agent.window import WHOLE_S, CannotAnswer, Said, ask, asked

T = TypeVar("T")
_FOREVER = float("inf")  # nobody waits for us


class Command(NamedTuple):
    """What was typed. as_json: for programs; file: to write or to read."""

    config: Path
    as_json: bool
    file: Path | None = None


def run(work: Callable[[Command], int], command: Command) -> int:
    """The command's exit code, what went wrong in words."""
    try:
        return work(command)
    except KeyFileError as fault:
        print(fault, file=sys.stderr)
        return Exit.CONFIG
    except (CannotAnswer, BufferError, NewerFormat, OSError) as fault:
        print(fault, file=sys.stderr)
        return Exit.FAILED


def status(command: Command) -> int:
    """How much the buffer holds."""
    config = load(command.config)
    return _say(command, _answer(config, "buffer.status", BufferAnswers.status), in_words)


def verify(command: Command) -> int:
    """Whether all of it is as it was written; 1 where it is not."""
    config = load(command.config)
    said = _answer(config, "buffer.verify", BufferAnswers.verify)
    _say(command, said, _verdict)
    return Exit.DONE if said["whole"] else Exit.FAILED


def salvage(command: Command) -> int:
    """Takes a set-aside file in."""
    config = load(command.config)
    path = _other_file(config, command)
    said = _answer(config, "buffer.salvage", lambda answers: answers.salvage(path), file=str(path))
    return _say(command, said, _salvaged)


def look(command: Command) -> int:
    """What salvaging a file would find; nothing is taken in."""
    config = load(command.config)
    path = _other_file(config, command)
    return _say(command, summary(found_in(path, read_keys(config.hq).box.public_key())), _found)


def export(command: Command) -> int:
    """Writes what headquarters does not have yet into a file."""
    config, target = load(command.config), command.file
    assert target is not None  # noqa: S101 (the parser requires it)
    if target.exists():
        raise CannotAnswer(f"{target} exists; name a file that does not")
    if not target.absolute().parent.is_dir():
        raise CannotAnswer(f"{target.parent} is no folder; name a file in one that exists")
    try:
        with asked(config.data_dir, "buffer.export", WHOLE_S) as (_, content):
            size = _write(target, iter(lambda: content.read(65_536), b""))
    except (FileNotFoundError, ConnectionRefusedError):
        with _opened(config) as answers:
            size = _write(target, answers.export())
    return _say(command, {"file": str(target), "bytes": size}, _exported)


def _answer(config: StoreConfig, name: str, here: Callable[[BufferAnswers], Said], **more: str) -> Said:
    """The daemon's answer, or that of the file where no daemon runs."""
    try:
        return ask(config.data_dir, name, WHOLE_S, **more)
    except (FileNotFoundError, ConnectionRefusedError):
        with _opened(config) as answers:
            return here(answers)


@contextmanager
def _opened(config: StoreConfig) -> Iterator[BufferAnswers]:
    path = config.data_dir / FILE
    if not path.exists():
        raise CannotAnswer(f"no buffer at {path} yet; `edge-agent run` makes it")
    try:
        with alone_in(config.data_dir):
            yield from _answers(config, path)
    except Occupied:
        raise CannotAnswer(f"an agent runs on {config.data_dir} and does not answer; see its log") from None


def _answers(config: StoreConfig, path: Path) -> Iterator[BufferAnswers]:
    key = read_keys(config.hq).box.public_key()
    try:
        buffer = Buffer(path)
    except BufferError as fault:
        raise CannotAnswer(f"{fault}; the agent sets it aside and salvages it when it is started") from fault

    def here(question: Callable[[Buffer], T]) -> T:
        return question(buffer)

    try:
        yield BufferAnswers(
            here,
            config.store,
            config.box,
            key,
            limits_of(config.buffer),
            SystemClock(),
            _FOREVER,
            buffer.adoption.count,
            lambda: None,
        )
    finally:
        buffer.leave()


def _other_file(config: StoreConfig, command: Command) -> Path:
    assert command.file is not None  # noqa: S101 (the parser requires it)
    path = command.file.absolute()
    here = config.data_dir / FILE
    if path.exists() and here.exists() and path.samefile(here):
        raise CannotAnswer(f"{path} is the buffer in use; name one that was set aside (*.damaged-*)")
    return path


def _write(target: Path, pieces: Iterable[bytes]) -> int:
    """Written under another name first and read again, so that a file of that name is whole."""
    part = target.with_name(target.name + ".part")
    with part.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        size = _copy(file, pieces)
    try:
        with part.open("rb") as file:
            for _ in wire.read(file):
                pass
    except WireError as fault:
        raise CannotAnswer(f"{part} is not whole ({fault}); look into the agent's log and export again") from None
    part.rename(target)
    sync_folder(target.absolute().parent)
    return size


def _copy(file: BinaryIO, pieces: Iterable[bytes]) -> int:
    size = sum(file.write(piece) for piece in pieces)
    file.flush()
    os.fsync(file.fileno())
    return size


def _say(command: Command, said: Said, words: Callable[[Said], Iterable[str]]) -> int:
    print(json.dumps(said, ensure_ascii=False) if command.as_json else "\n".join(words(said)))
    return Exit.DONE


def _verdict(said: Said) -> Iterator[str]:
    yield f"{said['rows']:,} rows, {said['batches']:,} batches and {said['headers']:,} epochs looked at"
    for flaw in said["flaws"]:
        yield f"  damaged {flaw['what']}: {flaw['which']}"
    if not said["complete"]:
        yield "  SQLite's own check was not finished; stop the agent and verify again to have it whole"
    if said["whole"]:
        yield "everything is as it was written"
    else:
        yield "the agent leaves out what is damaged and tells headquarters; nothing has to be done by hand"


def _found(said: Said) -> Iterator[str]:
    yield f"stream {said['stream'] or 'unknown'}, {said['epochs']} epochs"
    yield f"  {said['records']:,} records in {said['batches']:,} batches and {said['rows']:,} rows"
    yield f"  {said['receipted']:,} of the batches are at headquarters already"
    for gap in said["missing"]:
        yield f"  missing or gone before: {gap['lane']} {gap['first']:,} to {gap['last']:,} of {gap['stream']}"


def _salvaged(said: Said) -> Iterator[str]:
    yield from _found(said)
    yield f"{said['taken']:,} batches were taken in and go to headquarters, which stores every number once"


def _exported(said: Said) -> Iterator[str]:
    yield f"{said['bytes']:,} bytes in {said['file']}, sealed; `edge-hq ingest --file` takes it in"
