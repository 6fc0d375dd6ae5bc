"""The systemd units, judged by systemd itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "systemd"
HIGHEST_EXPOSURE = "15"  # tenths: 1.5 of 10

unit = pytest.mark.parametrize("name", ["store-edge-agent.service", "store-edge-hq.service"])
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def installed(name: str, place: Path) -> Path:
    """A copy whose program is one that this machine has, since verify looks whether it can be run."""
    text = (UNITS / name).read_text()
    copy = place / name
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text))
    assert copy.read_text() != text
    return copy


def verify(file: Path) -> str:
    """What systemd finds wrong with a unit, empty when nothing."""
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr + (f"exit {done.returncode}" if done.returncode else "")


@needs_systemd
@unit
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    """Every setting of the unit is one that systemd knows, with a value that it takes."""
    assert verify(installed(name, tmp_path)) == ""


@needs_systemd
def test_a_misspelt_setting_would_be_noticed(tmp_path: Path) -> None:
    """The check above speaks up when a setting is none."""
    file = installed("store-edge-agent.service", tmp_path)
    file.write_text(file.read_text().replace("NoNewPrivileges=", "NoNewPrivilege="))

    assert "NoNewPrivilege" in verify(file)


@needs_systemd
@unit
def test_exposure_stays_low(name: str) -> None:
    """systemd rates what the unit leaves open at 1.5 of 10 or less, serial ports and cameras included."""
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={HIGHEST_EXPOSURE}"]
    done = subprocess.run([*command, UNITS / name], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@unit
def test_a_wrong_configuration_is_not_tried_again(name: str) -> None:
    """Everything restarts for ever, except exit 78, which only a person can mend."""
    settings = (UNITS / name).read_text().splitlines()

    assert {"Restart=always", "RestartPreventExitStatus=78", "StartLimitIntervalSec=0"} <= set(settings)


@unit
def test_the_unit_runs_as_a_user_that_is_made(name: str) -> None:
    """The user of the unit is one that sysusers.conf makes."""
    made = re.findall(r"(?m)^u\s+(\S+)", (UNITS / "sysusers.conf").read_text())
    user = re.search(r"(?m)^User=(\S+)", (UNITS / name).read_text())

    assert user
    assert user[1] in made
