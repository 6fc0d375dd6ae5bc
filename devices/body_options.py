"""Settings of everything that takes body temperatures. Imports no hardware library."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from devices.options import Options


class BodyOptions(Options):
    """What a body temperature means."""

    suspect_c: float = Field(37.3, ge=35, le=42, description="°C from which a body temperature is suspect")
    valid_min_c: float = Field(32.0, ge=20, le=36, description="°C below which it is no body temperature")
    valid_max_c: float = Field(43.0, ge=40, le=60, description="°C above which it is no body temperature")
    retest_window_s: float = Field(
        60, ge=0, le=3600, description="seconds in which a second check belongs to a suspect one"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.valid_min_c < self.suspect_c < self.valid_max_c:
            raise ValueError("valid_min_c, suspect_c and valid_max_c must rise in this order")
        return self

    def valid(self, celsius: float) -> bool:
        return self.valid_min_c <= celsius <= self.valid_max_c
