"""Settings of `mqtt-sensor`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from devices.options import MqttOptions
from devices.thermometer_options import ThermometerOptions

_PATH = r"^[^.]+(\.[^.]+)*$"


class Fields(BaseModel):
    """Where a payload keeps what, as keys with dots between; where it is not said, it is found by its usual names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    celsius: str | None = Field(None, pattern=_PATH, description="path of the temperature, such as data.temperature")
    humidity: str | None = Field(None, pattern=_PATH, description="path of the relative humidity")
    probe: str | None = Field(None, pattern=_PATH, description="path of the sensor's name or number")
    at: str | None = Field(None, pattern=_PATH, description="path of the time of the reading")


USUAL = Fields.model_validate({})


class Options(MqttOptions, ThermometerOptions):
    """Sensors behind a gateway that publishes to a broker in the store."""

    topics: tuple[str, ...] = Field(
        ("zigbee2mqtt/#", "tele/+/SENSOR", "tele/+/LWT"),
        min_length=1,
        description="topics to subscribe to; + stands for one level, # for all that follow",
    )
    fields: Fields = Field(USUAL, description="where the payload keeps what, for gateways that are not known")
    scale: float = Field(1, gt=0, le=1000, description="what the numbers at `fields` are multiplied by, such as 0.01")
    unit: Literal["celsius", "fahrenheit"] = Field("celsius", description="unit of temperatures that do not say theirs")
