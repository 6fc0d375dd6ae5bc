"""A till that falls silent, seen from headquarters: through the real agent, broker, database and console."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import psycopg
import pytest
import requests
import yaml

from devices.simulator import DropWay
from simulation.feeds import Feed, simulated
from simulation.processes import wait_for
from simulation.stage import Stage

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("stage-2")]

PATIENCE_S = 180.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A store that never closes, whose till is missed after a minute."""
    feed = Feed("till-1", "poslog", {"settle_s": 0}, iter(()))
    stage = Stage(tmp_path, [feed])
    agent = stage.store.agent
    config = yaml.safe_load(agent.yaml.read_text())
    config["opening_hours"] = {"daily": "00:00-24:00"}
    config["silence"] = {"till_quiet": {"after_min": 1}}
    agent.yaml.write_text(yaml.safe_dump(config))
    try:
        stage.hq.start()
        stage.hq.await_ready()
        yield stage
    finally:
        stage.close()


def alerts(stage: Stage) -> list[tuple[str, str, bool]]:
    """Rule, subject, and whether it is closed, of each alert at headquarters."""
    with psycopg.connect(stage.dsn) as db:
        return db.execute("SELECT rule, subject, closed IS NOT NULL FROM alert ORDER BY seq").fetchall()


def standing(stage: Stage) -> str:
    return next((told["state"] for told in stage.store.agent.status().get("devices", [])), "")


def test_a_silent_till_is_an_alert_at_headquarters(stage: Stage) -> None:
    """Open after a minute, once, also over a kill; on the console; closed by the next ticket."""
    agent = stage.store.agent
    agent.start()
    wait_for("the till to be silent", PATIENCE_S, lambda: standing(stage) == "silent")
    wait_for("the alert at headquarters", PATIENCE_S, lambda: alerts(stage) == [("till-quiet", "till-1", False)])
    page = f"{stage.hq.facts['console']}/store/0214"
    wait_for("the console to show it", PATIENCE_S, lambda: "state silent" in requests.get(page, timeout=60).text)

    agent.kill()
    agent.start()
    wait_for("the agent to be back", PATIENCE_S, lambda: standing(stage) == "silent")
    till = DropWay(stage.store.drop("till-1"))
    feed = simulated("till-1", "poslog", Random(1), datetime.now(UTC), timedelta(minutes=1))
    for message in islice(feed.messages, 3):
        till.say(message)
    wait_for("the till to be back", PATIENCE_S, lambda: standing(stage) == "up")
    both = [("till-quiet", "till-1", False), ("till-quiet", "till-1", True)]
    wait_for("the alert to be closed", PATIENCE_S, lambda: alerts(stage) == both)
