"""What the buffer answers to `edge-agent buffer`: the same whether the daemon is asked or the file was opened here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from config.store import BufferSpace
from edge_agent.buffer import Buffer
from edge_agent.buffer.adoption import pieces
from edge_agent.buffer.export import export
from edge_agent.buffer.salvage import Salvaged, gaps, salvage
from edge_agent.buffer.space import Limits
from edge_agent.buffer.transaction import Batch
from edge_agent.buffer.verify import Ask, verify
from edge_agent.clock import Clock
from edge_agent.recorder.epochs import microseconds
from edge_agent.survey import MIB, survey
from edge_agent.window import Answer, CannotAnswer, Said, line

CHECK_S = 5.0  # how long SQLite's own check may hold the recorder up
T = TypeVar("T")
log = logging.getLogger(__name__)


def limits_of(space: BufferSpace) -> Limits:
    """The settings in bytes."""
    return Limits(space.budget_mb * MIB, space.floor_mb * MIB, space.reserve_mb * MIB)


class BufferAnswers(NamedTuple):
    """ask: the way to the buffer; key: of the box; check_s: for SQLite's own check; changed: called when there is more
    to send; mirror: how the mirror is, None where there is none"""

    ask: Ask
    store: str
    box: str
    key: Ed25519PublicKey
    limits: Limits
    clock: Clock
    check_s: float
    changed: Callable[[], None]
    mirror: Callable[[], Said | None]

    @property
    def all(self) -> Mapping[str, Answer]:
        """By the name they are asked under."""
        return {
            "buffer.status": lambda _: [line(self.status())],
            "buffer.verify": lambda _: [line(self.verify())],
            "buffer.export": lambda _: self._exported(),
            "buffer.salvage": lambda said: [line(self.salvage(Path(said["file"])))],
        }

    def status(self) -> Said:
        said = self._put(lambda buffer: survey(buffer, self.limits, self._now_us))
        return {**said, "mirror": self.mirror()}

    def verify(self) -> Said:
        verdict = verify(self._put, self.check_s)
        damaged = [flaw._asdict() for flaw in verdict.flaws]
        return {**verdict._asdict(), "flaws": damaged, "whole": not damaged}

    def export(self) -> Iterator[bytes]:
        """The file's bytes."""
        return export(self._put, self.store, self.box, self._now_us)

    def _exported(self) -> Iterator[bytes]:
        yield line({"export": "follows"})
        yield from self.export()

    def salvage(self, path: Path) -> Said:
        """Takes in what a set-aside file still holds and headquarters may not have."""
        found = found_in(path, self.key)
        identity = self._put(lambda buffer: buffer.view().identity)
        if identity is not None and found.stream == identity.stream:
            raise CannotAnswer(f"{path} is of the stream that goes on here: what it holds is here already")
        _, ordinals = self._put(lambda buffer: buffer.adoption.epochs(found.epochs.values()))
        unsent = found._replace(batches=[batch for batch in found.batches if batch.digest not in found.settled])
        taken = 0
        for some in pieces(unsent, self._now_us):
            taken += self._put(_take(some, ordinals, self._now_us))
        self.changed()
        log.info("event=buffer-salvaged file=%s batches=%d", path, taken)
        return {**summary(found), "taken": taken}

    def _put(self, question: Callable[[Buffer], T], /) -> T:
        """What a question makes of rot must not end the recorder, in whose turn it is asked."""

        def careful(buffer: Buffer) -> tuple[T] | Exception:
            try:
                return (question(buffer),)
            except (ArithmeticError, LookupError, TypeError, ValueError) as fault:
                return fault

        answer = self.ask(careful)
        if isinstance(answer, Exception):
            raise CannotAnswer(f"the buffer holds something that makes no sense ({answer}); verify names it")
        return answer[0]

    @property
    def _now_us(self) -> int:
        return microseconds(self.clock.now().wall)


def _take(some: Iterable[Batch], ordinals: Mapping[int, int], now_us: int) -> Callable[[Buffer], int]:
    return lambda buffer: buffer.adoption.batches(some, ordinals, frozenset(), now_us)


def found_in(path: Path, key: Ed25519PublicKey) -> Salvaged:
    """What can be saved of a file; `CannotAnswer` where it cannot be read."""
    try:
        return salvage(path, key)
    except OSError as fault:
        raise CannotAnswer(f"{path}: {fault.strerror}; name a file that was set aside, as a whole path") from None


def summary(found: Salvaged) -> Said:
    """What a file holds, in numbers."""
    return {
        "stream": found.stream.hex() if found.stream else None,
        "epochs": len(found.epochs),
        "batches": len(found.batches),
        "receipted": len(found.settled),
        "records": sum(batch.last - batch.first + 1 for batch in found.batches) + len(found.rows),
        "rows": len(found.rows),
        "missing": [
            {"stream": gap.stream.hex(), "lane": gap.lane.name.lower(), "first": gap.first, "last": gap.last}
            for gap in gaps(found)
        ],
    }
