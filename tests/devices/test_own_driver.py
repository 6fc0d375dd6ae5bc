"""docs/write-a-driver.md is enough: the package that it shows is built from the page alone, found, and works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import serial

from tests.config.least import WHOLE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "write-a-driver.md").read_text(encoding="utf-8")
FILES = re.findall(r"^### `([^`]+)`\n.*?^```\w+\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
SHOWN = dict(re.findall(r"^```console\n\$ (edge-agent [^\n]+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


class Newcomer:
    """Somebody who copied the page's blocks into `folder` and installed what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "store-edge-maro"
        for name, text in FILES:
            place = self.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        self.run([sys.executable, "-c", BUILD, str(folder)])
        (wheel,) = folder.glob("*.whl")
        with ZipFile(wheel) as packed:
            packed.extractall(folder / "installed")
        self.path = os.pathsep.join(map(str, (folder / "installed", ROOT)))

    path = str(ROOT)

    def start(self, command: list[str]) -> subprocess.Popen[str]:
        surroundings = {**os.environ, "PYTHONPATH": self.path, "PYTHONSAFEPATH": "1"}
        return subprocess.Popen(
            command, cwd=self.folder, env=surroundings, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, command: list[str]) -> str:
        """What it printed; it ended well."""
        with self.start(command) as process:
            printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0, printed
        return printed

    def agent(self, command: str) -> str:
        """What `edge-agent …` prints, as the page writes it."""
        return self.run(line(command))


def line(command: str) -> list[str]:
    return [sys.executable, "-m", "edge_agent", *command.split()[1:]]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    return Newcomer(tmp_path_factory.mktemp("own"))


def told(command: str) -> tuple[str, str]:
    """The page's only command that begins so, and its output."""
    ((whole, output),) = [(shown, text) for shown, text in SHOWN.items() if shown.startswith(f"edge-agent {command}")]
    return whole, output


def test_the_page_shows_every_file_of_a_driver() -> None:
    """What our own drivers' folders must have, the page's has too."""
    inside = {name.partition("/")[2].partition("/")[0] for name, _ in FILES if name.startswith("maro_scale/")}
    assert inside >= {"__init__.py", "options.py", "driver.py", "simulator.py", "README.md", "sample.yaml", "cases"}


def test_the_driver_is_listed_and_shown(newcomer: Newcomer) -> None:
    """Guide, sample and the setting of its own come out of the installed package."""
    listed = re.findall(r"^maro-scale +(.+)$", newcomer.agent("edge-agent drivers"), re.MULTILINE)
    assert listed == ["goods on a Maro bench scale"]

    page = newcomer.agent(told("drivers")[0])
    for name in ("README.md", "sample.yaml"):
        assert dict(FILES)[f"maro_scale/{name}"].strip() in page
    assert "min_g: " in page


def test_its_sample_passes_check(newcomer: Newcomer) -> None:
    """Under a store's devices; and a bad setting of it is told with its place."""
    command, output = told("check")
    sample = dict(FILES)["maro_scale/sample.yaml"].splitlines()[1:]
    entry = "\n    ".join(sample)
    names = WHOLE.replace("store-1", '"0214"')
    file = newcomer.folder / "store.yaml"

    file.write_text(f"{names}devices:\n  - {entry}\n", encoding="utf-8")
    assert newcomer.agent(command) == output

    file.write_text(f"{names}devices:\n  - {entry}\n    min_gg: 3\n", encoding="utf-8")
    with newcomer.start(line(command)) as process:
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 78
    assert "devices.0.min_gg: unknown key; did you mean min_g?" in printed


def test_the_capture_prints_the_records_of_the_page(newcomer: Newcomer) -> None:
    """All but the time of the run."""
    command, output = told("replay")
    assert TIME.sub("TIME", newcomer.agent(command)) == TIME.sub("TIME", output)

    *records, _ = newcomer.agent(f"{command} --json --set min_g=1000").splitlines()
    weight, quarantine = map(json.loads, records)
    assert (weight["type"], weight["data"]) == ("weight", {"kg": "1.250"})
    assert (quarantine["type"], quarantine["data"]["reason"]) == ("quarantine", "wrong check: FF, not 02")


def test_the_simulated_scale_is_heard(newcomer: Newcomer) -> None:
    """Its lines come over the port that it prints, and decode to weights."""
    command, output = told("simulate")
    with newcomer.start(line(f"{command} --interval-s 0")) as process:
        assert process.stdout
        assert process.stdout.readline() == output
        with serial.Serial(str(newcomer.folder / output.strip()), timeout=60) as port:
            said = [port.readline() for _ in range(3)]
        assert process.wait(60) == 0

    (newcomer.folder / "said.txt").write_bytes(b"".join(said))
    printed = newcomer.agent("edge-agent replay maro-scale said.txt --set min_g=0")
    assert printed.count("  weight  ") == 3
    assert "3 records, 0 set aside" in printed


def test_its_own_test_passes(newcomer: Newcomer) -> None:
    """The page's test of the page's cases."""
    printed = newcomer.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_maro_scale.py"])
    cuts = len(dict(FILES)["maro_scale/cases/maro-7.txt"])
    assert f"{cuts} passed" in printed
