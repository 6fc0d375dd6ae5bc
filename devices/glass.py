"""Between a camera's thread and people at the agent's page: they ask for a picture, it is shown, it is gone."""

from __future__ import annotations

import threading
from collections import Counter
from typing import NamedTuple


class Shown(NamedTuple):
    """A picture in which nobody can be recognised. jpeg: of it; width, height: of the source, in its pixels"""

    jpeg: bytes
    width: int
    height: int


class Glass:
    """One camera's. Nothing is shown that nobody waits for, and nothing stays once who waited has it."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._waiting = self._turn = 0
        self._shown: Shown | None = None
        self._counts: Counter[tuple[str, bool]] = Counter()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a picture. Asked by the camera's thread, which then shows its next one."""
        return self._waiting > 0

    def show(self, shown: Shown) -> None:
        with self._lock:
            if self._waiting:
                self._shown, self._turn = shown, self._turn + 1
                self._lock.notify_all()

    def look(self, within_s: float) -> Shown | None:
        """The next picture; None when the camera shows none within the time."""
        with self._lock:
            self._waiting += 1
            turn = self._turn
            try:
                return self._shown if self._lock.wait_for(lambda: self._turn != turn, within_s) else None
            finally:
                self._waiting -= 1
                if not self._waiting:
                    self._shown = None

    def crossed(self, line: str, *, inward: bool) -> None:
        """The camera counted somebody."""
        with self._lock:
            self._counts[line, inward] += 1

    def counts(self) -> Counter[tuple[str, bool]]:
        """Who was counted since the agent began, by line and whether inward."""
        with self._lock:
            return self._counts.copy()
