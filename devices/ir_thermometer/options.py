"""Settings of `ir-thermometer`."""

from __future__ import annotations

from pydantic import Field

from devices.body_options import BodyOptions
from devices.options import SerialOptions


class Options(SerialOptions, BodyOptions):
    """An infrared thermometer at the entrance or at the time clock."""

    gap_s: float = Field(
        0,
        ge=0,
        le=60,
        description="for continuous measuring: frames closer together than this are one person; 0 takes every frame",
    )
