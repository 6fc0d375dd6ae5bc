"""What a kind of Modbus device keeps in which register: data, one YAML file a kind in maps/."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

MAPS = Path(__file__).parent / "maps"
_FUNCTIONS = {"holding": 3, "input": 4}
_FORMATS = {"int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "float32": ">f", "uint64": ">Q"}
_MOST = 125  # registers that one question may ask for


class Value(BaseModel):
    """One value of a device.

    celsius, humidity: of `probe`; kwh: a meter's total; in, out: totals of a people counter
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["celsius", "humidity", "kwh", "in", "out"] = Field(description="what it is")
    table: Literal["holding", "input"] = Field("holding", description="holding registers (03) or input registers (04)")
    address: int = Field(ge=0, le=65535, description="first register, counted from 0")
    type: Literal["int16", "uint16", "int32", "uint32", "float32", "uint64"] = Field("int16", description="its shape")
    words: Literal["high-first", "low-first"] = Field("high-first", description="order of its registers")
    scale: float = Field(1, description="what the number is multiplied by")
    invalid: tuple[int, ...] = Field((), description="registers' content, as an unsigned number, that means no value")
    probe: str | None = Field(None, pattern=r"^[a-z0-9-]{1,24}$", description="which probe, where a device has several")

    @property
    def function(self) -> int:
        return _FUNCTIONS[self.table]

    @property
    def registers(self) -> int:
        return struct.calcsize(_FORMATS[self.type]) // 2

    @property
    def bits(self) -> int:
        return 16 * self.registers

    def read(self, data: bytes, first: int) -> float | int | None:
        """The unscaled number in the registers from `first` on; None where the device has no value."""
        start = 2 * (self.address - first)
        raw = data[start : start + 2 * self.registers]
        if self.words == "low-first":
            raw = b"".join(raw[place : place + 2] for place in range(len(raw) - 2, -1, -2))
        if int.from_bytes(raw, "big") in self.invalid:
            return None
        (number,) = struct.unpack(_FORMATS[self.type], raw)
        return number if isinstance(number, int) else float(number)


class Block(NamedTuple):
    """Registers that one question asks for."""

    function: int
    first: int
    number: int

    def holds(self, value: Value) -> bool:
        return (
            value.function == self.function
            and self.first <= value.address
            and value.address + value.registers <= self.first + self.number
        )


class RegisterMap(BaseModel):
    """A kind of device."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(description="the devices it fits")
    baudrate: int | None = Field(None, ge=300, le=921600, description="bits a second as delivered")
    parity: Literal["N", "E", "O"] | None = Field(None, description="parity as delivered")
    values: tuple[Value, ...] = Field(min_length=1, description="what to read")

    @model_validator(mode="after")
    def _counts_both_ways_at_once(self) -> Self:
        counters = [value for value in self.values if value.kind in ("in", "out")]
        blocks = {block for block in self.blocks() for value in counters if block.holds(value)}
        if counters and (sorted(value.kind for value in counters) != ["in", "out"] or len(blocks) != 1):
            raise ValueError("in and out must stand side by side, so that one question reads both")
        types = {value.type for value in counters}
        if "float32" in types or len(types) > 1:
            raise ValueError("in and out must be whole numbers of one type")
        return self

    def blocks(self) -> tuple[Block, ...]:
        """The questions to ask: values that adjoin are asked for together."""
        return tuple(_blocks(sorted(self.values, key=lambda value: (value.function, value.address))))


def _blocks(values: list[Value]) -> Iterator[Block]:
    block: Block | None = None
    for value in values:
        end = value.address + value.registers
        if block and value.function == block.function and value.address <= block.first + block.number:
            number = max(block.number, end - block.first)
            if number <= _MOST:
                block = block._replace(number=number)
                continue
        if block:
            yield block
        block = Block(value.function, value.address, value.registers)
    if block:
        yield block


def shipped() -> list[str]:
    """Names of the maps that come with the driver."""
    return sorted(path.stem for path in MAPS.glob("*.yaml"))


def loaded(told: object) -> object:
    """The map of that name, or in that file; anything else is taken for a map itself."""
    if not isinstance(told, str):
        return told
    if told in shipped():
        return _file(MAPS / f"{told}.yaml")
    if told.endswith((".yaml", ".yml")):
        return _file(Path(told))
    near = get_close_matches(told, shipped(), n=1)
    hint = f"; did you mean {near[0]}?" if near else f" ({', '.join(shipped())}), and no .yaml file"
    raise ValueError(f"'{told}' is no map that is shipped{hint}")


def _file(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML") from error
