"""What a store's YAML may say. Frozen; unknown keys are refused; units stand in the names.

Every description here is read by people: `edge-agent check` quotes it, the reference in docs/ is made of it.
"""

from __future__ import annotations

from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field

from config.device import Device
from config.fields import Currency, IpAddress, Settings
from config.link import Hq
from config.opening import OpeningHours
from config.silence import Silence
from devices.options import LocalTime, Name, TimeZone


class Listener(Settings):
    """Where devices that push over HTTP reach the agent. Opened only when a device pushes."""

    address: IpAddress = Field(
        default="127.0.0.1", description="IP address of this machine to listen on; 0.0.0.0 is every one"
    )
    port: int = Field(default=8640, ge=0, le=65535, description="TCP port; 0 takes any free one")


class Page(Settings):
    """A page on which people who mount a camera see what it sees, and count beside it."""

    password_file: Path = Field(description="file whose first line is the page's password; any user name will do")
    address: IpAddress = Field(
        default="127.0.0.1", description="IP address of this machine to show it on; 0.0.0.0 is every one"
    )
    port: int = Field(default=8641, ge=0, le=65535, description="TCP port; 0 takes any free one")


class Epoch(Settings):
    """How long one sealing key is used."""

    max_age_s: int = Field(
        default=3600, ge=60, le=3600, description="seconds until a new key is drawn and the old one dropped"
    )


class BufferSpace(Settings):
    """What the buffer may take on disk. Vital records (sales, cash, alerts) are never dropped once accepted."""

    budget_mb: int = Field(
        default=2048,
        ge=64,
        le=1_048_576,
        description="MiB that buffer file and log may take; then the oldest goes",
    )
    floor_mb: int = Field(default=512, ge=0, le=1_048_576, description="MiB of the disk that are left to others")
    reserve_mb: int = Field(default=16, ge=8, le=1024, description="MiB inside the file kept for vital records alone")
    mirror: Path | None = Field(
        default=None,
        description="folder on a second medium, made by hand, where a copy of the buffer is kept up (docs/buffer.md)",
    )


class StoreConfig(Settings):
    """One store's mini-PC. Made by `config.load`, which also makes paths absolute and refuses repeated device ids."""

    store: Name = Field(description="name of the store in topics, records and at HQ")
    box: Name = Field(description="name of this mini-PC; a replacement gets another")
    timezone: TimeZone = Field(default="Asia/Shanghai", description="IANA zone of the store")
    currency: Currency = Field(default="CNY", description="ISO 4217 code, for sources that do not name theirs")
    business_day_start: LocalTime = Field(default=time(0), description="local time at which the business day changes")
    opening_hours: OpeningHours = Field(default=OpeningHours(), description="when the store is open")
    silence: Silence = Field(default=Silence(), description="what should speak in opening hours")
    data_dir: Path = Field(description="folder of the buffer; the agent's alone, on a disk that survives a restart")
    hq: Hq = Field(description="how headquarters is reached")
    listener: Listener = Field(default=Listener(), description="where devices push to")
    page: Page | None = Field(default=None, description="a page for who mounts cameras (docs/camera.md); absent: none")
    heartbeat_interval_s: int = Field(default=60, ge=1, le=900, description="seconds between heartbeats")
    epoch: Epoch = Field(default=Epoch(), description="sealing keys")
    buffer: BufferSpace = Field(default=BufferSpace(), description="space for what headquarters does not have yet")
    devices: tuple[Device, ...] = Field(
        default=(), description="the store's devices; each is a driver with its options"
    )

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)
