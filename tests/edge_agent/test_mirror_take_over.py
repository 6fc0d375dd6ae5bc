"""A store's whole agent loses its disk: the next start takes over from the mirror on the other medium."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from edge_agent.window import CannotAnswer, ask
from simulation.processes import Process
from tests.edge_agent.test_recorder import until
from tests.faults.till import Till

TICKETS = 60


def mirrored(till: Till, medium: Path) -> Path:
    """Sets the mirror up in the agent's configuration; its data directory."""
    config = yaml.safe_load(till.config.read_text())
    config["buffer"] = {"mirror": str(medium)}
    till.config.write_text(yaml.safe_dump(config))
    return Path(config["data_dir"])


def standing(data: Path) -> dict[str, Any]:
    try:
        return ask(data, "buffer.status", 5.0)["mirror"]
    except (OSError, CannotAnswer):
        return {}


def test_a_killed_agent_whose_disk_is_lost_goes_on_from_the_mirror(tmp_path: Path) -> None:
    """SIGKILL, the buffer removed, a new start: every ticket that was confirmed and in step is there once."""
    medium = tmp_path / "medium"
    medium.mkdir()
    till = Till(tmp_path, 7)
    data = mirrored(till, medium)
    agent: Process = till.agent()
    agent.start()
    till.drop(TICKETS)
    assert till.await_taken(till.dropped, agent)
    until(lambda: (said := standing(data)).get("state") == "in step" and not said["behind"], "the mirror")
    agent.kill()
    for file in data.glob("buffer.db*"):
        file.unlink()

    agent.start()
    till.drop(TICKETS)
    assert till.await_taken(till.dropped, agent)
    until(lambda: standing(data).get("state") == "in step", "the new mirror")
    devices = ask(data, "status", 30.0)["devices"]
    streams = ask(data, "buffer.status", 30.0)["earlier_streams"]
    agent.kill()

    assert till.verdict()._replace(dropped=0) == (0, 0, 0), json.dumps(streams)
    assert till.dropped >= 2 * TICKETS
    assert len(streams) == 1
    assert ("buffer-mirror", "up") in {(device["id"], device["state"]) for device in devices}
