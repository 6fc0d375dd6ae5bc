"""Settings of `nut-ups`."""

from __future__ import annotations

from pydantic import Field

from devices.tcp_options import TcpOptions


class Options(TcpOptions):
    """A UPS whose state a NUT server (upsd) tells."""

    host: str = Field("127.0.0.1", min_length=1, description="name or address of the machine that runs upsd")
    port: int = Field(3493, ge=1, le=65535, description="upsd's TCP port")
    ups: str = Field("", pattern=r"^[A-Za-z0-9_.-]*$", description="name of the UPS at upsd; empty: the only one")
    interval_s: float = Field(5, ge=1, le=3600, description="seconds between two questions")
    report_s: float = Field(300, ge=1, le=86_400, description="seconds after which an unchanged state is told again")
