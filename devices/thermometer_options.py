"""Settings that every ambient thermometer has. Imports no hardware library."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from devices.excursion import Limits
from devices.options import Name, Options


class ProbeOptions(BaseModel):
    """One probe of a thermometer; what it leaves out is as the device's entry says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, description="how the device names the probe")
    name: Name | None = Field(None, description="name in records instead, such as freezer-1")
    min_c: float | None = Field(None, ge=-273, le=1000, description="°C below which it is too cold")
    max_c: float | None = Field(None, ge=-273, le=1000, description="°C above which it is too warm")
    after_s: float | None = Field(None, ge=0, le=86_400, description="seconds outside of its limits until an excursion")
    hysteresis_c: float | None = Field(None, ge=0, le=50, description="°C back inside that end an excursion")


_NOTHING = ProbeOptions.model_validate({"id": "-"})


class ThermometerOptions(Options):
    """Thermometers of rooms, fridges and freezers."""

    min_c: float | None = Field(None, ge=-273, le=1000, description="°C below which it is too cold; none by default")
    max_c: float | None = Field(None, ge=-273, le=1000, description="°C above which it is too warm; none by default")
    after_s: float = Field(900, ge=0, le=86_400, description="seconds outside of the limits until it is an excursion")
    hysteresis_c: float = Field(0.5, ge=0, le=50, description="°C back inside the limits that end an excursion")
    valid_min_c: float = Field(-60, ge=-273, le=1000, description="°C below which a reading cannot be true")
    valid_max_c: float = Field(125, ge=-273, le=1000, description="°C above which a reading cannot be true")
    spike_step_c: float = Field(5, gt=0, le=1000, description="°C by which two readings may differ at once")
    spike_c_per_min: float = Field(5, ge=0, le=1000, description="°C by which they may differ more for each minute")
    probes: tuple[ProbeOptions, ...] = Field((), description="names and limits of single probes")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.valid_min_c < self.valid_max_c:
            raise ValueError("valid_min_c must be below valid_max_c")
        for probe in (None, *self.probes):
            low, high, _, back = self.limits(probe)
            if low is not None and high is not None and not low + back < high - back:
                raise ValueError("min_c and max_c must be further apart than twice hysteresis_c")
        if len({probe.id.lower() for probe in self.probes}) < len(self.probes):
            raise ValueError("two probes have the same id")
        return self

    def limits(self, probe: ProbeOptions | None) -> Limits:
        """The limits of a probe; None is one that is not listed."""
        own = probe or _NOTHING
        return Limits(
            self.min_c if own.min_c is None else own.min_c,
            self.max_c if own.max_c is None else own.max_c,
            timedelta(seconds=self.after_s if own.after_s is None else own.after_s),
            self.hysteresis_c if own.hysteresis_c is None else own.hysteresis_c,
        )
