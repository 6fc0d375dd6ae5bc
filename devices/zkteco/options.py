"""Settings of `zkteco`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from devices.tcp_options import TcpOptions


class Options(TcpOptions):
    """A time clock that is asked for its log."""

    port: int = Field(4370, ge=1, le=65535, description="its TCP port")
    key_file: Path | None = Field(None, description="file whose first line is its communication key, a number")
    interval_s: float = Field(60, ge=1, le=86_400, description="seconds between two questions for new punches")
    history_days: int = Field(31, ge=0, le=3650, description="days of punches to fetch from a terminal seen first")
    direction: Literal["told", "in", "out", "unknown"] = Field(
        "told", description="what a punch is: as the terminal's keys say, or always the same"
    )
    max_skew_s: float = Field(60, ge=1, le=86_400, description="seconds by which its clock may be wrong untold")
