"""What is wrong in a configuration file, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Fault(NamedTuple):
    """One thing to put right.

    file: as it was named to `load`
    line: from 1; 0 when it is about the file itself
    path: dotted, list items counted from 0, e.g. `devices.1.id`; empty when it is about the file or its syntax
    message: what is expected, what was found, what to do
    """

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(Exception):
    """A file cannot be used; `faults` is all that is wrong in it, in the order of its lines."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)
