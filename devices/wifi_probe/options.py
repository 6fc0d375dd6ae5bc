"""Settings of `wifi-probe`."""

from __future__ import annotations

from pydantic import Field

from devices.options import PushOptions


class Options(PushOptions):
    """A probe that reports the Wi-Fi devices around it. Off unless `enabled`."""

    enabled: bool = Field(False, description="count; else reports are answered and thrown away unread")
    interval_s: int = Field(900, ge=300, le=86_400, description="seconds for which devices are counted together")
    least: int = Field(10, ge=10, le=1000, description="fewer devices than this in an interval are not told at all")
    min_rssi: int = Field(-100, ge=-120, le=0, description="dBm; weaker devices are too far away to count")
