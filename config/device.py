"""A device entry: each is validated by the options of the driver that it names."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from config.hints import did_you_mean
from devices.options import Options
from devices.registry import UnknownDriver, driver, drivers


def options_of(name: str) -> type[Options]:
    """The options of that driver; `ValueError` with what to do when there is none or it cannot be imported."""
    try:
        return driver(name).options
    except UnknownDriver:
        hint = did_you_mean(name, drivers()) or "; `edge-agent drivers` lists them"
        raise ValueError(f"unknown driver '{name}'{hint}") from None
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the driver '{name}' cannot be loaded: {error}") from error


class _Nameless(Options):
    """An entry that names no driver: that is its fault, not the settings that nobody can judge without one."""

    model_config = ConfigDict(extra="ignore")


def _by_driver(entry: object) -> object:
    """Raises faults with their place inside the entry, which pydantic puts behind the entry's own."""
    if not isinstance(entry, dict):
        return entry
    if not isinstance(entry.get("driver"), str):
        return _Nameless.model_validate(entry)
    try:
        options = options_of(entry["driver"])
    except ValueError as error:
        kind = PydanticCustomError("driver", "{sentence}", {"sentence": str(error)})
        details = InitErrorDetails(type=kind, loc=("driver",), input=entry["driver"])
        raise ValidationError.from_exception_data("device", [details]) from error
    return options.model_validate(entry)


Device = SerializeAsAny[Annotated[Options, BeforeValidator(_by_driver)]]
