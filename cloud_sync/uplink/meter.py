"""What each metered link has carried this month, in bytes, over restarts.

What is remembered runs ahead of what was carried by up to `CHUNK`: a process that is killed has then told too much, and
never too little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cloud_sync.uplink.messages import Remember

CHUNK = 65_536
FACT = "carried-"
_MONTH = 40  # bits of bytes below the month


class Meter:
    """caps: bytes a month by link; facts: what `Remember` was told in earlier lives."""

    def __init__(self, caps: Mapping[str, int], facts: Mapping[str, int]) -> None:
        self._caps = caps
        self._month = max((facts.get(FACT + link, 0) >> _MONTH for link in caps), default=0)
        self._marks = {link: self._kept(facts.get(FACT + link, 0)) for link in caps}
        self._carried = dict(self._marks)

    def carried(self, link: str) -> int | None:
        """Bytes of this month; None for a link that nobody counts."""
        return self._carried.get(link)

    def over(self, link: str) -> bool:
        return link in self._caps and self._carried[link] >= self._caps[link]

    def begin(self, month: int) -> Iterator[Remember]:
        """It is that month now; another one starts at nothing."""
        if month != self._month:
            self._month = month
            for link in self._caps:
                self._carried[link] = self._marks[link] = 0
                yield self._remember(link)

    def count(self, link: str, size: int) -> Iterator[Remember]:
        """`size` more bytes went over the link."""
        if link not in self._caps or not size:
            return
        self._carried[link] += size
        if self._carried[link] >= self._marks[link]:
            self._marks[link] = self._carried[link] + CHUNK
            yield self._remember(link)

    def _remember(self, link: str) -> Remember:
        return Remember(FACT + link, self._month << _MONTH | min(self._marks[link], (1 << _MONTH) - 1))

    def _kept(self, fact: int) -> int:
        return fact & ((1 << _MONTH) - 1) if fact >> _MONTH == self._month else 0
