"""docs/sensors.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.opening import OpeningHours
from config.silence import Silence
from devices.registry import BUILT_IN
from edge_agent.silence import roster
from edge_agent.web import Limits

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sensors.md").read_text(encoding="utf-8")
TILLS = {"csv-drop", "escpos-tap", "http-push", "json-drop", "pos-sql", "poslog", "scanner-evdev", "scanner-serial"}
ELSEWHERE = {"camera"}  # has a page of its own


def blocks() -> list[dict[str, Any]]:
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_its_examples_are_taken() -> None:
    """Each YAML block passes the models that read it."""
    hours, silence = blocks()
    opening = OpeningHours.model_validate({**hours["opening_hours"], "exceptions": {}})
    assert opening.sunday == ()
    exceptions = hours["opening_hours"]["exceptions"]
    OpeningHours.model_validate({"exceptions": {str(day): spans for day, spans in exceptions.items()}})
    assert Silence.model_validate(silence["silence"]).expected[0].when == "always"


def test_every_sensor_has_its_row() -> None:
    """A driver that reads no till stands in the table, and none that there is not."""
    named = set(re.findall(r"`([a-z0-9-]+)`", PAGE.partition("Try a configuration")[0]))
    assert named >= set(BUILT_IN) - TILLS - ELSEWHERE
    assert named <= set(BUILT_IN)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (roster.TILL, "{till_quiet.after_min} minutes"),
        (roster.ZERO, "{counter_zero.after_min} minutes, {counter_zero.tickets} tickets"),
        (roster.STUCK, "{value_stuck.after_h:g} hours, by night too; told while open"),
        (roster.PUNCH, "{punch_quiet.after_h:g} hours of opening time: more than a day's"),
        (roster.CLOCK, "by {clock_off.by_h:g} hours, for {clock_off.after_min} minutes without one right time"),
        (roster.DEVICE, "{device_quiet.after_min} minutes"),
    ],
)
def test_every_rule_is_told_with_what_is_usual(rule: str, said: str) -> None:
    """The defaults of the page are those of the models."""
    rules = {name: getattr(Silence(), name) for name in Silence.model_fields}
    usual = said.format(**rules)
    assert any(line.startswith(f"| `{rule}`") and usual in line for line in PAGE.splitlines())


def test_the_limits_are_those_of_the_listener() -> None:
    """Sizes, times and numbers of connections."""
    limits, text = Limits(), " ".join(PAGE.split())
    assert f"{limits.head // 1024} KiB of headers within {limits.head_s:g} seconds" in text
    assert f"{limits.body // 2**20} MiB of body within {limits.body_s:g} more" in text
    assert f"{limits.connections} connections are taken at once, {limits.of_one} of one address" in text
