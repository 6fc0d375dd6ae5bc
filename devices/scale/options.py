"""Settings of `scale`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from devices.options import SerialOptions

Protocol = Literal["auto", "toledo-8217", "toledo-continuous", "lines", "cas", "yaohua"]
_LINES = {"toledo-8217": {"bytesize": 7, "parity": "E"}}
_ASKED = {"toledo-8217": "W"}


class Options(SerialOptions):
    """A scale at a counter, a till or the goods-in desk."""

    protocol: Protocol = Field("auto", description="what the scale speaks; auto: told frame by frame")
    unit: Literal["kg", "g", "lb", "oz", "jin"] = Field("kg", description="unit of weights that do not say theirs")
    ask: Annotated[str, StringConstraints(max_length=16)] = Field(
        "", description='what to send for a weight, such as "W" or "S\\r\\n"; empty: the scale speaks by itself'
    )
    interval_s: float = Field(0.5, ge=0.05, le=3600, description="seconds between two questions, where it is asked")
    min_g: Decimal = Field(Decimal(0), ge=0, le=10_000, description="grams up to which the plate counts as empty")
    settle: int = Field(
        3, ge=1, le=100, description="equal weights in a row that make one stable, from scales that do not say so"
    )
    every_line: bool = Field(
        False, description="tell every stable line; else a weight once, until the plate was empty or it changed"
    )

    @model_validator(mode="before")
    @classmethod
    def _as_delivered(cls, told: Any) -> Any:
        """The line's settings and the question are those of the protocol where the entry does not say them."""
        if not isinstance(told, dict) or not isinstance(told.get("protocol"), str):
            return told
        name = told["protocol"]
        usual = _LINES.get(name, {}) | ({"ask": _ASKED[name]} if name in _ASKED else {})
        return usual | told
