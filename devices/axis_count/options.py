"""Settings of `axis-count`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devices.options import HttpAccess, PushOptions


class Options(PushOptions):
    """A camera with AXIS 3D People Counter, or with the older AXIS People Counter."""

    pull: HttpAccess | None = Field(None, description="ask the older counter; without it the camera pushes")
    application: Literal["people-counter", "tvpc"] = Field(
        "people-counter", description="which application to ask: tvpc is the newer name of AXIS People Counter"
    )
    interval_s: float = Field(60, ge=1, le=3600, description="seconds between two questions")
