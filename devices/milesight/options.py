"""Settings of `milesight`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devices.options import PushOptions
from devices.thermometer_options import ThermometerOptions


class Options(PushOptions, ThermometerOptions):
    """A LoRaWAN gateway or network server that forwards what its sensors send."""

    codec: Literal[
        "auto",
        "milesight",
        "adeunis",
        "browan",
        "dragino",
        "elsys",
        "hkt",
        "imbuildings",
        "pipiot",
        "yosensi",
    ] = Field("auto", description="whose payloads these are; auto: told from the payload and its port")
