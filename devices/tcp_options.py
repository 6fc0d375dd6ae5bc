"""Settings of every device that is asked over TCP. Imports no hardware library."""

from __future__ import annotations

from pydantic import Field

from devices.options import Options


class TcpOptions(Options):
    """A device that listens for who asks it."""

    host: str = Field(min_length=1, description="its name or address")
    port: int = Field(ge=1, le=65535, description="its TCP port")
    timeout_s: float = Field(10, ge=0.1, le=120, description="an answer that takes longer is none")
