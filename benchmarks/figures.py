"""How figures are printed: for people, or as the JSON list that machines read."""

from __future__ import annotations

import json
import sys
from typing import NamedTuple


class Figure(NamedTuple):
    """What was measured. baseline: the plain thing underneath, in the same run; None where there is none."""

    figure: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.baseline else None


def show(figures: list[Figure]) -> None:
    """Prints them; with --json as one JSON list and nothing else."""
    if "--json" in sys.argv[1:]:
        print(json.dumps([{**figure._asdict(), "ratio": figure.ratio} for figure in figures]))
        return
    for figure in figures:
        beside = "" if figure.baseline is None else f"   baseline {figure.baseline:,.4g}, ratio {figure.ratio:.2f}"
        print(f"{figure.figure:28} {figure.value:12,.4g} {figure.unit}{beside}")
