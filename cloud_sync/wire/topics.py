"""MQTT topics: `<root>/<store>/<box>/up/<what>` and `<root>/<store>/<box>/down`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from cloud_sync.wire.reader import WireError

_NAME = r"[a-z0-9-]{1,32}"
_UP = re.compile(rf"(?P<root>{_NAME})/(?P<store>{_NAME})/(?P<box>{_NAME})/up/(?P<what>[a-z]+)")


class Up(StrEnum):
    """What a box sends."""

    BATCH = "batch"
    EPOCH = "epoch"
    HEARTBEAT = "heartbeat"
    ANSWER = "answer"


class Address(NamedTuple):
    """A box under the topic root; every name matches [a-z0-9-]{1,32}."""

    root: str
    store: str
    box: str

    def up(self, what: Up) -> str:
        return f"{self.root}/{self.store}/{self.box}/up/{what}"

    def down(self) -> str:
        return f"{self.root}/{self.store}/{self.box}/down"


def parse_up(topic: str) -> tuple[Address, Up]:
    """Who sent what, by its topic; `WireError` for any other topic."""
    match = _UP.fullmatch(topic)
    if match is None or match["what"] not in list(Up):
        raise WireError(f"topic {topic[:120]!r}: not <root>/<store>/<box>/up/<what>")
    return Address(match["root"], match["store"], match["box"]), Up(match["what"])
