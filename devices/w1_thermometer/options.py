"""Settings of `w1-thermometer`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from devices.options import FileOptions
from devices.thermometer_options import ThermometerOptions


class Options(FileOptions, ThermometerOptions):
    """Thermometers on a 1-Wire bus of this machine."""

    path: Path = Field(Path("/sys/bus/w1/devices"), description="folder in which the kernel shows the bus")
    interval_s: float = Field(30, ge=1, le=86_400, description="seconds between two readings of a thermometer")
