"""A folder in memory, where there is one, and runs of this package's modules in fresh processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.disk import ROOT, build

MEMORY = Path("/dev/shm")  # noqa: S108 (a fresh folder of our own in it)
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def memory() -> Iterator[Path]:
    """An empty folder, in memory where the system has it."""
    folder = Path(tempfile.mkdtemp(prefix="store-edge-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim of `disk.c`."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed: what reaches the disk cannot be watched")
    return build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def run() -> Run:
    """Runs a module of this package, perhaps on top of the shim; what it reports, which is printed too."""

    def run_it(module: str, *arguments: object, shim: Path | None = None) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", f"tests.faults.{module}", *map(str, arguments)],
            env=os.environ | ({"LD_PRELOAD": str(shim)} if shim else {}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()[-1]
        print(f"{module} {arguments[1:]}: {said}")
        return dict(json.loads(said))

    return run_it
