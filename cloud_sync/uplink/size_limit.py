"""How large a batch the broker takes, found out by what breaks: MQTT 3.1.1 gives it no way of saying so.

    three sessions in a row break with a larger batch in flight than any that was settled since the one before
        ──▶ of batches larger than what is proven since one is in flight at a time; all others go as ever
    a session breaks with that one in flight, or one went four times and HQ settled each time only what went later
        ──▶ it is too large: what is beyond the middle between it and the largest proven one stays on the disk
    HQ settles one
        ──▶ its size is proven, and the middle rises; where one was refused that was no larger, the limit is gone
    nothing more was refused for a while
        ──▶ the limit goes half way up to the smallest one refused, at last beyond it, and so on for ever

Where size was not the reason this costs minutes and loses nothing. Headers go always, batches up to `LEAST` too: a
broker that takes no more could not carry headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from random import Random

from cloud_sync.wire import batch, epoch

LEAST = epoch.MAX_SIZE
NEAR = 2_048  # bytes below the smallest one refused, and that one is tried again
BROKEN = 3  # sessions in a row
_NONE = batch.MAX_SIZE + 1  # larger than any batch


class SizeLimit:
    """Sizes of batches in bytes. again_s: how long a limit holds until it goes up; again_at: when it does."""

    def __init__(self, again_s: float, random: Random) -> None:
        self._again_s = again_s
        self._random = random
        self._careful = False
        self._breaks, self._suspect = 0, 0
        self._news = 0  # largest settled since the last session that broke
        self._taken = 0  # largest settled; from the beginning of care, while it lasts
        self._refused: int | None = None  # smallest one since care began
        self._low, self._wall = 0, _NONE  # between them is the limit
        self.again_at = inf

    @property
    def proven(self) -> int:
        """Up to this size nothing is in doubt."""
        return max(LEAST, self._taken)

    @property
    def most(self) -> int:
        """What is larger stays on the disk."""
        return batch.MAX_SIZE if self._wall == _NONE else (max(self.proven, self._low) + self._wall) // 2

    @property
    def limit(self) -> int | None:
        """The same where there is such a limit."""
        return None if self.most == batch.MAX_SIZE else self.most

    @property
    def fault(self) -> str:
        """In the words of `Figures`."""
        if self._refused is not None:
            return "too-large"
        return "sessions-break" if self._careful or self._breaks >= BROKEN else ""

    def may(self, size: int, flying: Sequence[int]) -> bool:
        """Whether a batch may join those in flight."""
        return not self._careful or size <= self.proven or all(each <= self.proven for each in flying)

    def broke(self, flying: Sequence[int], now: float) -> None:
        """The link broke with these batches in flight."""
        if not flying:
            return
        largest, news, self._news = max(flying), self._news, 0
        if self._careful and largest > self.proven:
            self.refuse(largest, now)
            return
        self._breaks, self._suspect = self._breaks + 1 if largest > news else 0, largest
        if self._breaks >= BROKEN and largest > LEAST:
            self._begin()

    def refuse(self, size: int, now: float) -> None:
        """A batch of this size, more than `LEAST`, does not come through."""
        if not self._careful or size <= self.proven:
            self._begin()
        self._wall, self._low = size, min(self._low, size - 1)
        self._refused = min(size, self._refused or size)
        self.again_at = self._later(now)

    def took(self, size: int) -> None:
        """HQ has spoken of a batch of this size."""
        self._news, self._taken = max(self._news, size), max(self._taken, size)
        if size >= (self._suspect if self._refused is None else self._refused):
            self._end()

    def try_more(self, now: float) -> None:
        """At `again_at`: nothing was refused for a while."""
        if self._wall == _NONE:
            self._end()
        elif self._wall - self.most <= NEAR:
            self._low, self._wall, self.again_at = 0, _NONE, self._later(now)
        else:
            self._low, self.again_at = self.most, self._later(now)

    def _later(self, now: float) -> float:
        return now + self._again_s * self._random.uniform(1.0, 1.5)

    def _begin(self) -> None:
        self._end()
        self._careful, self._taken = True, 0

    def _end(self) -> None:
        self._careful, self._breaks, self._refused = False, 0, None
        self._low, self._wall, self.again_at = 0, _NONE, inf
