"""What a simulated device says, and the ways to say it: a pseudo-terminal, a drop folder, an HTTP push.

Each driver's `simulator.messages` yields the bytes of the real protocol; nothing here knows any of them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Message(NamedTuple):
    """One thing a simulated device says.

    way: how it reaches the agent
    body: the protocol's bytes
    name: file name of a drop
    content_type: of a push
    """

    way: Literal["serial", "drop", "push"]
    body: bytes
    name: str = ""
    content_type: str = "application/octet-stream"
