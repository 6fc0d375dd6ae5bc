"""A driver is complete: no folder among ours lacks what an installer, a tester or a simulated store needs of it."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
import yaml

from devices.driver import Context
from devices.options import (
    DatabaseOptions,
    DropOptions,
    FileOptions,
    InputOptions,
    MqttOptions,
    Options,
    PollOptions,
    PushOptions,
    SerialOptions,
    VideoOptions,
)
from devices.registry import BUILT_IN, driver, drivers
from devices.tcp_options import TcpOptions

DEVICES = Path(__file__).resolve().parents[2] / "devices"
WAYS = {
    "serial": SerialOptions,
    "drop": DropOptions,
    "push": PushOptions,
    "serve": PollOptions,
    "file": FileOptions,
    "mqtt": MqttOptions,
    "input": InputOptions,
    "sql": DatabaseOptions,
    "tcp": TcpOptions,
    "video": VideoOptions,
}
CHAPTERS = (("## Wiring", "## Setting up"), ("## What it says",))

every_driver = pytest.mark.parametrize("name", sorted(BUILT_IN))


def folder(name: str) -> Path:
    return DEVICES.parent.joinpath(*BUILT_IN[name].split("."))


@every_driver
def test_every_file_of_a_driver_is_there(name: str) -> None:
    """Options, driver, simulator, guide, sample and recorded cases."""
    files = {path.name for path in folder(name).iterdir()}
    assert {"__init__.py", "options.py", "driver.py", "simulator.py", "README.md", "sample.yaml", "cases"} <= files


@every_driver
def test_every_recorded_case_says_what_it_decodes_to(name: str) -> None:
    """Each capture stands beside its expectation, and none is empty."""
    cases = sorted((folder(name) / "cases").iterdir())
    expected = {path.stem for path in cases if path.suffix == ".json"}
    captures = {path.stem for path in cases if path.suffix != ".json"}
    assert expected == captures != set()
    for path in cases:
        assert path.stat().st_size > 0
        if path.suffix == ".json":
            assert json.loads(path.read_text(encoding="utf-8"))["items"]


@every_driver
def test_every_guide_has_its_chapters_and_settings(name: str) -> None:
    """A guide begins with the driver's name, and tells how to wire it, what it says, and each setting of its own."""
    guide = (folder(name) / "README.md").read_text(encoding="utf-8")
    assert guide.startswith(f"# {name}")
    assert [titles for titles in CHAPTERS if not any(title in guide for title in titles)] == []
    own = driver(name).options.model_fields.keys() - Options.model_fields.keys()
    for shared in WAYS.values():
        own -= shared.model_fields.keys()
    assert [setting for setting in sorted(own) if f"`{setting}" not in guide] == []


@every_driver
def test_every_sample_is_a_device_entry(name: str) -> None:
    """The sample passes the driver's own options, and names the driver."""
    entries = yaml.safe_load((folder(name) / "sample.yaml").read_text(encoding="utf-8"))
    entries = entries if isinstance(entries, list) else [entries]
    assert entries
    for entry in entries:
        assert driver(name).options.model_validate(entry).driver == name


@every_driver
def test_every_setting_is_described(name: str) -> None:
    """No setting is left without a sentence, and an entry cannot be changed once read."""
    options = driver(name).options
    assert issubclass(options, Options)
    assert options.model_config.get("frozen")
    assert options.model_config.get("extra") == "forbid"
    assert [field for field, told in options.model_fields.items() if not told.description] == []


@every_driver
def test_every_driver_offers_decoder_and_device(name: str) -> None:
    """Both are made of options and context alone; a decoder with nothing fed has nothing to say of its own accord."""
    package = driver(name)
    for make in (package.decoder, package.device):
        assert len(inspect.signature(make).parameters) == 2
    entry = yaml.safe_load((folder(name) / "sample.yaml").read_text(encoding="utf-8"))
    options = package.options.model_validate(entry[0] if isinstance(entry, list) else entry)
    decoder = package.decoder(options, Context())
    assert list(decoder.feed(b"", datetime(2026, 11, 21, tzinfo=ZoneInfo("UTC")))) == []


@every_driver
def test_every_simulator_goes_the_way_of_its_driver(name: str) -> None:
    """Simulated messages reach the agent as the options say, are the same for a seed, and files have names."""
    package, start = driver(name), datetime(2026, 11, 21, 9, tzinfo=ZoneInfo("Asia/Shanghai"))
    sent = list(islice(package.messages(Random(1), start, timedelta(minutes=1)), 20))
    assert sent == list(islice(package.messages(Random(1), start, timedelta(minutes=1)), 20))
    assert len(sent) == 20
    for message in sent:
        assert issubclass(package.options, WAYS[message.way])
        assert message.body
        assert message.way != "drop" or message.name
    assert len({message.name for message in sent}) == (20 if sent[0].way == "drop" else 1)


def test_options_import_no_hardware_library() -> None:
    """A configuration is checked on a machine without serial ports, XML or HTTP libraries."""
    modules = [f"{package}.options" for package in BUILT_IN.values()]
    heavy = {"cv2", "numpy", "serial", "defusedxml", "requests", "paho", "watchfiles", "sqlite3", "sqlalchemy"}
    script = f"import sys, {', '.join(modules)}; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=DEVICES.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_every_folder_of_drivers_is_registered() -> None:
    """A folder that looks like a driver is one of ours."""
    found = {f"devices.{path.parent.name}" for path in DEVICES.glob("*/driver.py")}
    assert found == set(BUILT_IN.values())
    assert set(BUILT_IN) <= set(drivers())
