"""Which model a place in the data belongs to, and paths that begin at the file's folder."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import isclass
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel

from config.device import options_of
from config.places import Step
from devices.options import Options

Model = TypeVar("Model", bound=BaseModel)


def model_at(model: type[BaseModel], data: object, path: Sequence[Step]) -> type[BaseModel] | None:
    """The model whose key the last step of `path` is or would be; None inside plain maps."""
    found: type[BaseModel] | None = model
    for step in path[:-1]:
        data = _step(data, step)
        if isinstance(step, str):
            field = found.model_fields.get(step) if found else None
            found = _model_in(field.annotation) if field else None
        if found is Options:
            found = _options(data)
    return found


def _step(data: object, step: Step) -> object:
    if isinstance(data, dict):
        return data.get(step)
    return data[step] if isinstance(data, list) and isinstance(step, int) and step < len(data) else None


def _options(entry: object) -> type[Options]:
    try:
        return options_of(entry["driver"]) if isinstance(entry, dict) else Options
    except (KeyError, TypeError, ValueError):
        return Options


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def rooted(model: Model, folder: Path) -> Model:
    """The same with every relative path begun at `folder`."""
    return model.model_copy(update={name: _rooted(value, folder) for name, value in model})


def _rooted(value: object, folder: Path) -> object:
    match value:
        case Path():
            return folder / value
        case BaseModel():
            return rooted(value, folder)
        case tuple():
            return tuple(_rooted(item, folder) for item in value)
        case _:
            return value
