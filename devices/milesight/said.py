"""What an uplink of a sensor says of people and temperatures, whichever maker's it is."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Count(NamedTuple):
    """What one line of a sensor counted.

    line: its number, from 1
    period: (in, out) since the sensor's last report; total: (in, out) since its reset; either or both
    width: the total after which the sensor begins again at 0
    pair: 0 where directions are told; else `in` counts events without direction, and so many of them are one person who
        came in and went out again (2 for a beam or a door that is opened once a way)
    at: of a report that was kept because it could not be sent, when it was made
    """

    line: int
    period: tuple[int, int] | None = None
    total: tuple[int, int] | None = None
    width: int = 0
    pair: int = 0
    at: datetime | None = None


class Warmth(NamedTuple):
    """What one thermometer of a sensor measured, each None where it is not said.

    probe: what tells it from the sensor's own thermometer, which has none
    startup_c: a temperature that its kind also says before it has measured
    at: of a reading that was kept because it could not be sent, when it was made
    """

    celsius: float | None
    humidity_pct: float | None = None
    probe: str = ""
    startup_c: float | None = None
    at: datetime | None = None


class Said(NamedTuple):
    """One uplink, decoded. `rest`: bytes at its end that are not understood."""

    counts: tuple[Count, ...] = ()
    at: datetime | None = None
    present: int | None = None
    warmths: tuple[Warmth, ...] = ()
    rest: bytes = b""
