"""What the recorder is told (events) and what it wants done (effects)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge_agent.buffer.outbox import Evictable
from edge_agent.buffer.space import Room
from edge_agent.buffer.store import View
from edge_agent.buffer.transaction import Batch, Transaction
from edge_agent.recorder.cutting import Damaged
from records import Lane, Record


class Accept(NamedTuple):
    """Cleaned records of one source event batch, in order, and what commits with them.

    ticket: whatever tells the caller that it is done
    identities: (device, keyed hash) or None, one a record; known: those accepted in an earlier transaction
    waits: whether the source can be told to come again
    """

    ticket: object
    records: Sequence[Record]
    identities: Sequence[tuple[str, bytes] | None]
    state: Mapping[tuple[str, str], bytes | None]
    known: frozenset[tuple[str, bytes]]
    waits: bool = False


class Flush(NamedTuple):
    """Nothing more is at hand: commit what is there."""


class Committed(NamedTuple):
    """The transaction is on disk."""


class Reopened(NamedTuple):
    """A commit failed; the file was reopened and says this."""

    view: View


class Tick(NamedTuple):
    """Time passed. linger_s: how long a live record may wait for company; infinity while only full batches go."""

    linger_s: float
    room: Room


class CutDone(NamedTuple):
    """A batch was made of the rows at the front of its lane, or they are found damaged.

    stream: whose rows they were; of a stream that was left meanwhile it comes too late, and its rows went along
    """

    made: Batch | Damaged
    stream: bytes


class CutFailed(NamedTuple):
    """The rows could not be read; the file is being reopened."""


class Evicted(NamedTuple):
    """What goes for space; nothing when nothing may."""

    batches: Sequence[Evictable]


class Rotten(NamedTuple):
    """What was found damaged and cannot be sent."""

    batches: Sequence[Evictable]


class Receipted(NamedTuple):
    """HQ has these: the first 16 bytes of each digest."""

    prefixes: tuple[bytes, ...]


class WantedAgain(NamedTuple):
    """HQ asks for these batches once more, receipted or not: their whole digests."""

    digests: tuple[bytes, ...]


class EndEpoch(NamedTuple):
    """The epoch counts as old at the next tick: to whom it is sealed has changed."""


class Remember(NamedTuple):
    """A counter to keep."""

    name: str
    value: int


Event = (
    Accept
    | Flush
    | Committed
    | Reopened
    | Tick
    | CutDone
    | CutFailed
    | Evicted
    | Rotten
    | Receipted
    | WantedAgain
    | EndEpoch
    | Remember
)


class Commit(NamedTuple):
    transaction: Transaction


class Confirm(NamedTuple):
    tickets: list[object]


class Cut(NamedTuple):
    """Make a batch of the rows at the front of this lane."""

    lane: Lane


class TellToWait(NamedTuple):
    """There is no room: the source must come again later."""

    ticket: object


class MakeRoom(NamedTuple):
    """Wanted: batches that may go, of that many bytes."""

    bytes: int


Effect = Commit | Confirm | Cut | TellToWait | MakeRoom
