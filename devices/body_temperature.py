"""Verdicts on body temperatures, and the second check of a suspect one.

A reading from `suspect_c` up is suspect; the next valid one within `retest_window_s` is its second check and either
confirms or resolves it. One outside of the valid range is invalid and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from devices.body_options import BodyOptions
from devices.driver import NO_STATE

Verdict = Literal["normal", "suspect", "confirmed", "resolved", "invalid"]
_SUSPECT_AT = "suspect_at"
_ANYBODY = ""


class Checked(NamedTuple):
    """state: what to commit with it."""

    verdict: Verdict
    state: Mapping[str, bytes | None] = NO_STATE


class Checks:
    """The checks of one device.

    Where it knows whom it checks, a second check is the same person's. Those suspects are kept in memory alone, since
    state outlives the day and holds nobody's name or number; of all others the last one survives a restart.
    """

    def __init__(self, options: BodyOptions, state: Mapping[str, bytes]) -> None:
        self._options = options
        begun = state.get(_SUSPECT_AT)
        self._suspects = {_ANYBODY: datetime.fromisoformat(begun.decode())} if begun else {}

    def check(self, celsius: float, at: datetime, *, who: str = _ANYBODY, alarm: bool = False) -> Checked:
        """alarm: the device itself calls it abnormal, which makes it suspect whatever the threshold."""
        if not self._options.valid(celsius):
            return Checked("invalid")
        self._forget(at)
        before = self._suspects.pop(who, None)
        verdict = self._verdict(celsius >= self._options.suspect_c or alarm, before, at)
        if verdict == "suspect":
            self._suspects[who] = at
        after = self._suspects.get(who)
        if who or before == after:
            return Checked(verdict)
        return Checked(verdict, {_SUSPECT_AT: after.isoformat().encode() if after else None})

    def _verdict(self, suspect: bool, before: datetime | None, at: datetime) -> Verdict:
        second = before is not None and at - before <= timedelta(seconds=self._options.retest_window_s)
        if suspect:
            return "confirmed" if second else "suspect"
        return "resolved" if second else "normal"

    def _forget(self, at: datetime) -> None:
        """Suspects who never came again."""
        window = timedelta(seconds=self._options.retest_window_s)
        for who in [who for who, begun in self._suspects.items() if who and at - begun > window]:
            del self._suspects[who]
