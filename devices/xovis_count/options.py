"""Settings of `xovis-count`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from devices.options import PushOptions


def _place(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError("must be an address and a port such as 192.0.2.2:9205")
    return text


class Options(PushOptions):
    """A sensor, or a multi-sensor."""

    forward: Literal["in", "out"] = Field("in", description="what a line's forward direction is to the shop")
    counts: Literal["auto", "logics", "live"] = Field(
        "auto", description="which counts to take where a sensor sends both; auto: logics once a line has any"
    )
    tcp: Annotated[str, AfterValidator(_place)] | None = Field(
        None, description="address:port to listen at for a sensor that pushes over TCP; without it over HTTP"
    )

    @property
    def tcp_address(self) -> tuple[str, int] | None:
        if self.tcp is None:
            return None
        host, _, port = self.tcp.rpartition(":")
        return host, int(port)
