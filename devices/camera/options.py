"""Settings of `camera`."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from devices.options import LocalTime, Name, VideoOptions

_USUAL = Path("/var/lib/store-edge/models/yolox_nano.onnx")


def _numbers(told: object) -> object:
    """Coordinates as a list, or as text with commas."""
    return [part.strip() for part in told.split(",")] if isinstance(told, str) else told


Corners = Annotated[tuple[float, ...], BeforeValidator(_numbers)]
Size = Annotated[int, Field(ge=32, le=16_384)]
LineOptions = Annotated[tuple[float, float, float, float], BeforeValidator(_numbers)]


class Span(BaseModel):
    """A time of day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: LocalTime = Field(description="local time at which it begins")
    end: LocalTime = Field(description="local time at which it ends")

    def holds(self, at: time) -> bool:
        """Whether a local time is within; over midnight where it ends before it begins."""
        if self.begin <= self.end:
            return self.begin <= at < self.end
        return at >= self.begin or at < self.end


class Options(VideoOptions):
    """A camera over a door, a shelf or a queue, looked at in the store: its pictures go nowhere."""

    user: str = Field("", description="user to log in as at an rtsp address; empty: without")
    password_file: Path | None = Field(None, description="file whose first line is the user's password")
    mode: Literal["detector", "overhead"] = Field(
        "detector", description="detector for views from the side or obliquely, overhead for straight down"
    )
    model: Path = Field(_USUAL, description="ONNX file of the detector; `edge-agent models install yolox-nano`")
    threshold: float = Field(0.35, gt=0.05, lt=1, description="score from which somebody is believed to be there")
    cars: bool = Field(False, description="count cars too, as car.count")
    picture_px: Annotated[tuple[Size, Size], BeforeValidator(_numbers)] | None = Field(
        None, description="width,height of the picture that lines and zones were drawn on; the first's, if absent"
    )
    lines: dict[Name, LineOptions] = Field(
        {},
        description="lines as name: x1,y1,x2,y2 in pixels; from top to bottom, in is towards the left",
    )
    zones: dict[Name, Corners] = Field({}, description="areas as name: x,y,x,y,… in pixels, three corners or more")
    queues: tuple[Name, ...] = Field((), description="zones in which people queue")
    staff_zones: tuple[Name, ...] = Field((), description="zones where only staff go: who was there is not counted")
    not_counted: tuple[Span, ...] = Field((), description="times of day at which nobody is counted, such as cleaning")
    anchor: Literal["centre", "feet"] = Field("centre", description="the point of somebody that crosses a line")
    dead_band_px: float | None = Field(
        None, ge=0, le=500, description="pixels on both sides of a line that decide nothing; a hundredth of the width"
    )
    person_px: float | None = Field(None, gt=0, description="pixels that somebody covers from above; learnt if absent")
    analysed_fps: float | None = Field(
        None, gt=0, le=60, description="pictures a second that are looked at; 5 by detector, 10 overhead by default"
    )
    interval_s: float = Field(60, ge=0, le=86_400, description="seconds that a count covers; 0: a record a crossing")
    heatmap_cell_px: int | None = Field(None, ge=4, le=1000, description="edge of a heat map's cells; absent: no map")
    heatmap_s: float = Field(3600, ge=1, le=86_400, description="seconds that a heat map covers")
    health_s: float = Field(10, ge=1, le=3600, description="seconds that a faulty picture lasts before it is told")
    frozen_s: float = Field(30, ge=2, le=3600, description="seconds of the very same picture that are a frozen camera")
    still: bool = Field(
        False, description="let the agent's page send headquarters a picture in which nobody can be recognised"
    )
    timeout_s: float = Field(8, ge=1, le=15, description="a stream that brings no picture for so long is opened again")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, corners in self.zones.items():
            if len(corners) < 6 or len(corners) % 2:
                raise ValueError(f"zone {name} needs x,y pairs of three corners or more")
        for name, line in self.lines.items():
            if line[:2] == line[2:]:
                raise ValueError(f"line {name} begins where it ends")
        if unknown := {*self.queues, *self.staff_zones} - set(self.zones):
            raise ValueError(f"{', '.join(sorted(unknown))}: no zone of that name")
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("user and password_file go together")
        if self.source.startswith("rtsp") and "@" in self.source:
            raise ValueError("source: user and password go into `user` and `password_file`")
        return self
