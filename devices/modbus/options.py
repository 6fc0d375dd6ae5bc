"""Settings of `modbus`."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from devices.modbus.register_map import RegisterMap, loaded
from devices.options import Name, SerialOptions
from devices.thermometer_options import ThermometerOptions

_USUAL = "renke"
_Map = Annotated[RegisterMap, BeforeValidator(loaded), WithJsonSchema({"type": "string"})]


class SlaveOptions(BaseModel):
    """One device on the bus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: int = Field(ge=1, le=247, description="its address on the bus")
    name: Name | None = Field(None, description="its name in records; the address by default")
    map: _Map | None = Field(None, description="its register map, where it is not the bus's")


class Options(SerialOptions, ThermometerOptions):
    """A bus with Modbus devices, at a serial port or behind TCP."""

    port: str = Field(
        description="/dev/serial/by-id/… or socket://host:port for RTU frames, tcp://host:502 for Modbus TCP"
    )
    map: _Map = Field(
        default_factory=lambda: RegisterMap.model_validate(loaded(_USUAL)),
        description="register map: a name that is shipped, a .yaml file, or the map itself; renke by default",
    )
    slaves: tuple[SlaveOptions, ...] = Field((), description="devices on the bus; by default one with address 1")
    interval_s: float = Field(60, ge=1, le=86_400, description="seconds between two questions for the same value")
    answer_s: float = Field(1, gt=0, le=10, description="seconds that a device has to answer")

    @model_validator(mode="before")
    @classmethod
    def _as_delivered(cls, told: Any) -> Any:
        """The line's settings are those of the map where the entry does not say them."""
        if not isinstance(told, dict):
            return told
        try:
            given = loaded(told.get("map", _USUAL))
        except ValueError:
            return told  # told with its place when the field itself is read
        line = given if isinstance(given, dict) else {}
        return {key: line[key] for key in ("baudrate", "parity") if line.get(key) is not None} | told

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({slave.address for slave in self.slaves}) < len(self.slaves):
            raise ValueError("two slaves have the same address")
        return self
