"""`edge-agent drivers` and the skeleton of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from config import load
from devices.registry import BUILT_IN
from edge_agent.cli import main, parser
from tests.config.least import WHOLE


def test_every_driver_is_listed_with_what_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """Each driver is a line: its name and the first line of its guide."""
    assert main(["drivers"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} >= set(BUILT_IN)
    assert all(len(line.split()) > 2 and "no guide" not in line for line in lines)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_driver_is_shown_with_guide_sample_and_settings(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One driver's page has its guide, a sample that names it, and each setting with a meaning."""
    assert main(["drivers", name]) == 0

    guide, sample, listed = capsys.readouterr().out.partition("\n## sample.yaml\n")
    assert sample
    assert guide.startswith("# ")
    assert f"driver: {name}" in listed
    settings = listed.partition("## Settings\n")[2].strip().splitlines()
    assert settings[0].startswith("id: text")
    assert all(line.strip() for line in settings[1::2])


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_drivers_sample_passes_check(name: str, tmp_path: Path) -> None:
    """A driver's sample, put under `devices:`, is accepted."""
    sample = (Path(__file__).resolve().parents[2] / BUILT_IN[name].replace(".", "/") / "sample.yaml").read_text()
    entries = yaml.safe_load(sample)
    entries = entries if isinstance(entries, list) else [entries]
    file = tmp_path / "store.yaml"
    file.write_text(WHOLE + yaml.safe_dump({"devices": entries}))

    assert [device.driver for device in load(file).devices] == [name] * len(entries)


def test_an_unknown_driver_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped driver ends with 2 and the nearest name."""
    assert main(["drivers", "poslogg"]) == 2
    assert capsys.readouterr().err == "unknown driver 'poslogg'; did you mean poslog?\n"


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command is in the help with a sentence, and has help of its own."""
    help_ = parser().format_help()

    for command in ("run", "check", "drivers", "replay", "simulate", "status"):
        assert f"    {command} " in help_
        with pytest.raises(SystemExit) as left:
            main([command, "--help"])
        assert left.value.code == 0
        assert f"usage: edge-agent {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        "",
        "chek",
        "replay csv-drop",
        "replay csv-drop a.csv --set encoding",
        "simulate csv-drop --count 0",
        "simulate csv-drop --interval-s -1",
        "simulate csv-drop --interval-s nan",
    ],
)
def test_a_wrong_call_is_a_usage_error(line: str) -> None:
    """What cannot be understood ends with 2, before any work."""
    with pytest.raises(SystemExit) as left:
        main(line.split())
    assert left.value.code == 2
