"""How figures are printed: for people, or as the JSON list that machines read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

_STAT = Path("/proc/stat")
_STOLEN = 7  # of its first line's numbers, https://man7.org/linux/man-pages/man5/proc_stat.5.html
_ALL = 8


class Figure(NamedTuple):
    """What was measured. baseline: the plain thing underneath, in the same run; None where there is none."""

    figure: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.baseline else None


def _ticks() -> list[int]:
    """Processor time of this machine since its start, by what it was spent on."""
    return [int(number) for number in _STAT.read_text().split("\n", 1)[0].split()[1 : 1 + _ALL]]


_BEFORE = _ticks()


def stolen() -> float:
    """The share of processor time that a virtual machine's host kept for others since this program began."""
    spent = [now - before for now, before in zip(_ticks(), _BEFORE, strict=True)]
    return spent[_STOLEN] / max(sum(spent), 1)


def show(figures: list[Figure]) -> None:
    """Prints them; with --json as one JSON list and nothing else on stdout."""
    print(f"this machine's host kept {stolen():.0%} of its processor time for others", file=sys.stderr)
    if "--json" in sys.argv[1:]:
        print(json.dumps([{**figure._asdict(), "ratio": figure.ratio} for figure in figures]))
        return
    for figure in figures:
        beside = "" if figure.baseline is None else f"   baseline {figure.baseline:,.4g}, ratio {figure.ratio:.2f}"
        print(f"{figure.figure:28} {figure.value:12,.4g} {figure.unit}{beside}")
