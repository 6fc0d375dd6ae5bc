"""Options that every driver has, and those of each way in. Imports no hardware library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        near = get_close_matches(name, available_timezones(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"must be an IANA time zone such as Asia/Shanghai{hint}")
    return name


def _clock_text(value: object) -> object:
    """A bare number would be taken as seconds since midnight, and an offset would contradict the zone."""
    if isinstance(value, int | float) or (isinstance(value, time) and value.tzinfo):
        raise ValueError("must be a local time of day such as 05:30")
    return value


LocalTime = Annotated[time, BeforeValidator(_clock_text), AfterValidator(_clock_text)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]


class Options(BaseModel):
    """A device entry: its id, its driver and what every driver takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: Name = Field(description="name of the device in records, logs and heartbeats")
    driver: str = Field(description="which driver reads it; `edge-agent drivers` lists them")
    timezone: TimeZone | None = Field(None, description="IANA zone of the device's clock; the store's by default")
    business_day_start: LocalTime | None = Field(None, description="local time at which its business day changes")

    @property
    def zone(self) -> ZoneInfo | None:
        return ZoneInfo(self.timezone) if self.timezone else None


class SerialOptions(Options):
    """A serial port, by device path or by a URL of pyserial's (`socket://`, `rfc2217://`)."""

    port: str = Field(description="port by id, e.g. /dev/serial/by-id/usb-…, or socket://host:port")
    baudrate: int = Field(9600, ge=300, le=921600, description="bits a second")
    bytesize: Literal[5, 6, 7, 8] = Field(8, description="data bits")
    parity: Literal["N", "E", "O"] = Field("N", description="none, even or odd")
    stopbits: Literal[1, 2] = Field(1, description="stop bits")


class DropOptions(Options):
    """A folder into which another system drops complete files."""

    path: Path = Field(description="folder to watch")
    pattern: str = Field("*", description="names to take, as a shell pattern")
    keep_done: bool = Field(False, description="move taken files to done/ instead of deleting them")
    read_only: bool = Field(
        False, description="leave files where they are, known by their content: for shares that may not be written"
    )
    settle_s: float = Field(2, ge=0, le=3600, description="a file is complete when it stayed unchanged for so long")

    @model_validator(mode="after")
    def _stays_or_moves(self) -> Self:
        if self.read_only and self.keep_done:
            raise ValueError("keep_done moves files, which read_only forbids: leave one of them out")
        return self


class FileOptions(Options):
    """Files that the kernel, or another program, keeps up to date in place."""

    path: Path = Field(description="folder that holds them")


class VideoOptions(Options):
    """Moving pictures."""

    source: str = Field(
        min_length=1,
        description="rtsp://host/path, a video device by path such as /dev/v4l/by-id/…, or a video file",
    )


class MqttOptions(Options):
    """Topics of a broker in the store, which gateways publish to."""

    host: str = Field("127.0.0.1", min_length=1, description="the broker's name or address")
    port: int = Field(1883, ge=1, le=65535, description="its TCP port; 8883 is usual with ca_file")
    user: str = Field("", description="user to log in as; empty: without")
    password_file: Path | None = Field(None, description="file whose first line is the user's password")
    ca_file: Path | None = Field(None, description="who may vouch for the broker; sets TLS, without it there is none")
    topics: tuple[str, ...] = Field(("#",), min_length=1, description="topics to subscribe to, with + and #")

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("user and password_file go together")
        for topic in self.topics:
            levels = topic.split("/")
            wrong = any(("#" in level or "+" in level) and len(level) > 1 for level in levels) or "#" in levels[:-1]
            if not topic or wrong:
                raise ValueError(f"'{topic}' is no topic filter; + stands for one level, # for all that follow")
        return self


class PushOptions(Options):
    """A device that posts to the agent's listener under /push/<id>. It must meet all that is set here."""

    allow_from: tuple[str, ...] = Field((), description="addresses that may post; empty: any that reaches the listener")
    user: str = Field("", description="user as which it must log in, by HTTP's basic authentication")
    password_file: Path | None = Field(None, description="file whose first line is the user's password")
    token_file: Path | None = Field(
        None,
        description="file whose first line it must post to: /push/<id>/<line>; for what can only be told an address",
    )

    def takes(self, path: str, query: Mapping[str, str]) -> bool:  # noqa: ARG002 - of those that override it
        """Whether a push to an address that a protocol fixes, outside of /push/<id>, is this device's."""
        return False

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("user and password_file go together")
        return self


def _http_address(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#]+(?:/[^\s@?#]*)?", url):
        raise ValueError(
            "must be an address such as http://192.0.2.10; user and password go into `user` and `password_file`"
        )
    return url.rstrip("/")


class HttpAccess(BaseModel):
    """How to ask a device over HTTP."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    url: Annotated[str, AfterValidator(_http_address)] = Field(description="its address, e.g. http://192.0.2.10")
    user: str = Field("", description="user to log in as; empty: without")
    password_file: Path | None = Field(None, description="file whose first line is the user's password")
    auth: Literal["digest", "basic"] = Field(
        "digest", description="basic sends the password readably, so only over https"
    )
    ca_file: Path | None = Field(None, description="who may vouch for an https address; the system's authorities else")
    timeout_s: float = Field(10, ge=0.1, le=120, description="an answer that takes longer is none")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("user and password_file go together")
        return self


class PollOptions(HttpAccess, Options):
    """A device that is asked over HTTP."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class DatabaseOptions(Options):
    """A till's database. Its address holds a password, so it stands in a file of its own."""

    url_file: Path = Field(description="file whose one line is the database's address, dialect+driver://user:…@host/db")


class InputOptions(Options):
    """A device that types, read from the kernel's input events."""

    input: Path = Field(description="its path by id, /dev/input/by-id/…-event-kbd")
