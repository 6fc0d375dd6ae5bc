"""Settings of `dahua-count`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devices.counter import BITS_32
from devices.options import PollOptions


class Options(PollOptions):
    """A counting camera, or a recorder with several."""

    channel: int = Field(1, ge=1, le=256, description="which channel to ask, from 1")
    method: Literal["summary", "attach", "events"] = Field(
        "summary", description="summary: ask every interval_s; attach, events: the camera tells when something changes"
    )
    interval_s: float = Field(60, ge=1, le=3600, description="seconds between two questions for the summary")
    times: Literal["device", "box"] = Field("device", description="box: ignore the camera's clock")
    wraps_at: int = Field(BITS_32, ge=0, description="total after which the camera begins again at 0; 0: none")
