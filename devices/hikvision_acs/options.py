"""Settings of `hikvision-acs`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devices.body_options import BodyOptions
from devices.options import HttpAccess, PushOptions


class Options(PushOptions, BodyOptions):
    """An access terminal that takes temperatures and knows the staff."""

    pull: HttpAccess | None = Field(None, description="ask the terminal for its events; without it the terminal pushes")
    interval_s: float = Field(30, ge=1, le=86_400, description="seconds between two questions, where it is asked")
    punches: Literal["passed", "attendance", "none"] = Field(
        "passed",
        description="what is a punch: whoever of the staff was let in, or only events with an attendance status",
    )
