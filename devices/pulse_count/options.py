"""Settings of `pulse-count`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from devices.options import SerialOptions

Line = Literal["cts", "dsr", "ri", "dcd"]


class Options(SerialOptions):
    """Contacts on the modem lines of a serial port."""

    in_line: Line = Field("cts", description="line of the contact that counts who comes in, or of the only beam")
    out_line: Line | None = Field(
        None, description="line of the contact that counts who goes out; without it the only beam is halved"
    )
    active: Literal["high", "low"] = Field("high", description="level while somebody passes; low for opening contacts")
    debounce_ms: int = Field(50, ge=1, le=1000, description="pulses closer together than this are one")
    interval_s: float = Field(60, ge=1, le=3600, description="seconds that one record counts")
    reader: Literal["modem", "text"] = Field(
        "modem", description="text: a board or a simulator that tells the lines' counts in lines of text"
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.in_line == self.out_line:
            raise ValueError("in_line and out_line must be two lines; leave out_line out for a single beam")
        return self
