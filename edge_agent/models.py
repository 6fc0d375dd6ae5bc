"""Networks that cameras need: each from its pinned address, or a file, and only as the very bytes that were tried."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from edge_agent.exits import Exit

_CHUNK = 1 << 16
_TIMEOUT_S = 30


class Model(NamedTuple):
    """file: its name; size: bytes; licence: of the weights"""

    file: str
    url: str
    size: int
    sha256: str
    licence: str


MODELS = {
    "yolox-nano": Model(
        "yolox_nano.onnx",
        "https://github.com/Kazuhito00/YOLOX-ONNX-TFLite-Sample/raw/3d4f1119/model/yolox_nano.onnx",
        3_660_092,
        "695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14",
        "Apache-2.0",
    )
}


class WrongModel(Exception):
    """What came is not the model."""


def listed(folder: Path) -> int:
    """Prints each model and whether it is there."""
    for name, model in MODELS.items():
        there = "installed" if _is(folder / model.file, model) else "not installed"
        print(f"{name}  {there}  {model.size} bytes  {model.licence}  {folder / model.file}")
    return Exit.DONE


def install(name: str, source: str | None, folder: Path) -> int:
    """Puts the model into `folder`. source: a file or an address, the pinned one where it is None"""
    model = MODELS.get(name)
    if model is None:
        print(f"there is no model '{name}'; there is: {', '.join(MODELS)}", file=sys.stderr)
        return Exit.USAGE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _install(model, source or model.url, folder / model.file)
    except (OSError, WrongModel) as fault:
        print(f"{source or model.url}: {fault}; get the file elsewhere and name it with --from", file=sys.stderr)
        return Exit.FAILED
    print(f"{folder / model.file}: {name}, {model.licence}")
    return Exit.DONE


def _install(model: Model, source: str, target: Path) -> None:
    begun = target.with_suffix(".part")
    digest, size = hashlib.sha256(), 0
    try:
        with begun.open("wb") as file:
            for chunk in _chunks(source):
                size += len(chunk)
                if size > model.size:
                    raise WrongModel(f"it has more than {model.size} bytes")
                digest.update(chunk)
                file.write(chunk)
            os.fsync(file.fileno())
        if digest.hexdigest() != model.sha256:
            raise WrongModel(f"its SHA-256 is {digest.hexdigest()}, not {model.sha256}")
        begun.replace(target)
    finally:
        begun.unlink(missing_ok=True)


def _chunks(source: str) -> Iterator[bytes]:
    if source.startswith(("http://", "https://")):
        import requests

        with closing(requests.get(source, stream=True, timeout=_TIMEOUT_S)) as answer:
            answer.raise_for_status()
            yield from answer.iter_content(_CHUNK)
        return
    with Path(source).open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _is(path: Path, model: Model) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256
    except OSError:
        return False
