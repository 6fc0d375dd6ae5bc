"""Settings of `dlt645`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from devices.options import Name, SerialOptions

_BAUDRATES = {"1997": 1200}


class MeterOptions(BaseModel):
    """One meter on the line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(pattern=r"^[0-9]{12}$", description="its address, the 12 digits on its plate, in quotes")
    name: Name | None = Field(None, description="its name in records; the address by default")


class Options(SerialOptions):
    """Electricity meters on an RS-485 pair."""

    baudrate: int = Field(2400, ge=300, le=921600, description="bits a second; 1200 by default for `standard: 1997`")
    parity: Literal["N", "E", "O"] = Field("E", description="none, even or odd")
    standard: Literal["2007", "1997"] = Field("2007", description="which DL/T 645 the meters speak")
    meters: tuple[MeterOptions, ...] = Field((), description="meters on the line; by default the only one there is")
    interval_s: float = Field(300, ge=1, le=86_400, description="seconds between two questions to the same meter")
    answer_s: float = Field(2, gt=0, le=10, description="seconds that a meter has to answer")

    @model_validator(mode="before")
    @classmethod
    def _as_delivered(cls, told: Any) -> Any:
        """The line's speed is the standard's where the entry does not say it; a bare 1997 is meant as its name."""
        if not isinstance(told, dict):
            return told
        standard = str(told["standard"]) if isinstance(told.get("standard"), int) else told.get("standard")
        usual = {"baudrate": _BAUDRATES[standard]} if standard in _BAUDRATES else {}
        return usual | told | ({"standard": standard} if "standard" in told else {})

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({meter.address for meter in self.meters}) < len(self.meters):
            raise ValueError("two meters have the same address")
        return self
