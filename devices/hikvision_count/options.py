"""Settings of `hikvision-count`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devices.counter import BITS_32
from devices.options import HttpAccess, PushOptions


class Options(PushOptions):
    """A counting camera, or a recorder with several."""

    statistics: Literal["auto", "realTime", "timeRange"] = Field(
        "auto", description="which counts to take where a camera sends both; auto: timeRange once it has come"
    )
    times: Literal["offset", "wall-clock"] = Field(
        "offset", description="wall-clock: ignore the offset in the camera's times and read them in timezone"
    )
    children: Literal["ignored", "added"] = Field(
        "ignored", description="added: where childCounting is not yet part of the camera's count"
    )
    pull: HttpAccess | None = Field(None, description="read the camera's alert stream; without it the camera pushes")
    wraps_at: int = Field(BITS_32, ge=0, description="total after which the camera begins again at 0; 0: none")
