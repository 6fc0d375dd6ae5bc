"""The door to the recorder for every other thread: submit records, ask the buffer something, tell what HQ said."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import NamedTuple, TypeVar

from cloud_sync.uplink.messages import Fetch, Fetched, Parcel
from edge_agent.buffer import Buffer, BufferError
from edge_agent.buffer.again import Range
from edge_agent.recorder.messages import Event, Receipted, WantedAgain
from edge_agent.recorder.mirroring import Mirroring
from records import Record

QUEUE = 4096
ENDED_S = 1.0
T = TypeVar("T")


class Submission(NamedTuple):
    """Cleaned records of one read, their source identities, and the driver's state that commits with them.

    waits: the source can be told to come again: its future then fails with `BufferFull`
    """

    device: str
    records: Sequence[Record]
    identities: Sequence[str | None]
    state: Mapping[str, bytes | None]
    waits: bool = False


class BufferFull(Exception):
    """There is no room now; the source keeps what it has and comes again."""


class Submitted(NamedTuple):
    """What a submission waits for."""

    submission: Submission
    done: Future[None]


class Asked(NamedTuple):
    """A question, in the recorder's turn."""

    question: Callable[[Buffer], None]


class Leave(NamedTuple):
    """HQ orders these streams to be left. left: whether the buffer goes on in another one, then or already."""

    streams: frozenset[bytes]
    left: Future[bool]


class Desk:
    """The door to the recorder for every other thread. Blocks while the recorder is behind.

    on_submit: hears of every submission, in the thread that hands it over
    sending: digests in the uplink's window, which eviction leaves alone
    fetches: how often the uplink took something to send
    mirror: hears of every commit
    """

    def __init__(self) -> None:
        self.jobs: queue.Queue[Submitted | Asked | Leave | Event] = queue.Queue(QUEUE)
        self.on_cut: Callable[[], None] = lambda: None
        self.on_submit: Callable[[Submission], None] = lambda _: None
        self.sending: frozenset[bytes] = frozenset()
        self.fetches = 0
        self.closed = threading.Event()
        self.mirror: Mirroring | None = None

    def submit(self, submission: Submission) -> Future[None]:
        """Hands records over; the future is done once they are on disk."""
        done: Future[None] = Future()
        self.on_submit(submission)
        self.jobs.put(Submitted(submission, done))
        return done

    def ask(self, question: Callable[[Buffer], T]) -> T:
        """What the buffer answers, once it can; `BufferError` when the recorder has ended."""
        answer: Future[T] = Future()
        self.jobs.put(Asked(lambda buffer: answer.set_result(question(buffer))))
        return self._wait(answer)

    def leave(self, streams: frozenset[bytes]) -> bool:
        """Goes on in a new stream where the present one is among these; False where there is no room for that now."""
        left: Future[bool] = Future()
        self.jobs.put(Leave(streams, left))
        return self._wait(left)

    def _wait(self, answer: Future[T]) -> T:
        while True:
            try:
                return answer.result(ENDED_S)
            except NotYet:
                if self.closed.is_set():
                    raise BufferError("the recorder has ended") from None

    def tell(self, event: Event) -> None:
        self.jobs.put(event)

    # --- the uplink's outbox -----------------------------------------------------------------------------------------

    def fetch(self, wanted: Fetch) -> Fetched:
        def find(buffer: Buffer) -> Fetched:
            found = buffer.outbox.fetch(wanted)
            self.sending = wanted.skip | {parcel.digest for parcel in found.parcels}  # before eviction's next turn
            self.fetches += 1
            return found

        return self.ask(find)

    def parcels(self, skip: frozenset[bytes], limit: int) -> list[Parcel]:
        def find(buffer: Buffer) -> list[Parcel]:
            found = buffer.outbox.parcels(skip, limit)
            self.sending = skip | {parcel.digest for parcel in found}
            return found

        return self.ask(find)

    def want_again(self, ranges: Sequence[Range]) -> tuple[Range, ...]:
        """HQ misses these numbers: what holds them goes again; what of them is not held."""
        held = self.ask(lambda buffer: buffer.again.look(ranges))
        if held.digests:
            self.tell(WantedAgain(held.digests))
        return held.missing

    def headers(self, epochs: list[bytes]) -> list[Parcel]:
        return self.ask(lambda buffer: buffer.outbox.headers(epochs))

    def receipted(self, prefixes: tuple[bytes, ...]) -> None:
        self.tell(Receipted(prefixes))

    def refused(self, prefixes: tuple[bytes, ...], why: str) -> None:  # noqa: ARG002 (the log names it where it came in)
        """HQ keeps them as dead letters: they leave like what has a receipt."""
        self.tell(Receipted(prefixes))
