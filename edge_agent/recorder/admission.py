"""Who is let in when space is short.

    open ──short of room──▶ eviction: grace, then bulk, then normal batches
      ▲                        │ nothing may go
      └──room again── strained ◀┘   sources that can wait are told to; of the others only vital records are taken,
                        │           from the reserve
                        └─ the reserve is used up: nothing is taken

What a source that cannot wait brought and was not taken is counted by type, kept over restarts, and told as a `loss`
record of reason `refused` once there is room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from edge_agent.buffer.space import Room
from records import Lane, Record, type_of

FACT = "refused."


class Admission:
    """The gate of the recorder. facts: the counters of the buffer, as at opening."""

    def __init__(self, facts: Mapping[str, int]) -> None:
        kept = {name.removeprefix(FACT): count for name, count in facts.items() if name.startswith(FACT)}
        self._refused = Counter(kept)
        self._told = set(kept)
        self._room = Room(1, 1)
        self._strained = False

    def look(self, room: Room) -> None:
        """What space there is now. Half of the reserve is left to eviction, which is slower than a flood."""
        self._room = room
        flooded = room.normal < (room.normal - room.vital) // 2
        self._strained = flooded or (self._strained and room.normal <= 0)

    def strained(self, nothing_may_go: bool) -> None:
        self._strained = self._strained or (nothing_may_go and self._room.normal <= 0)

    @property
    def open(self) -> bool:
        return not self._strained

    @property
    def short(self) -> int:
        """Bytes to be won; 0 while there is room."""
        return max(0, -self._room.normal)

    def takes(self, record: Record) -> bool:
        """Whether a record is let in; one that is not is counted."""
        if self.open:
            return True
        kind = type_of(record.data)
        if kind.lane is Lane.VITAL and self._room.vital > 0:
            return True
        self._refused[kind.name] += 1
        return False

    @property
    def facts(self) -> dict[str, int]:
        """The counters to keep."""
        names = self._told | set(self._refused)
        self._told = names
        return {FACT + name: self._refused[name] for name in names}

    def tell(self) -> dict[str, int]:
        """What was refused since it was last told, by type; it begins anew."""
        refused, self._refused = {name: n for name, n in self._refused.items() if n}, Counter()
        return refused
