"""Settings of `zkteco-push`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from devices.options import PushOptions

PATH = "/iclock/"


class Options(PushOptions):
    """Time clocks that push their punches to a server of theirs, which the agent's listener is."""

    serials: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")], ...] = Field(
        (), description="serial numbers of the terminals that may push; empty: any"
    )
    direction: Literal["told", "in", "out", "unknown"] = Field(
        "told", description="what a punch is: as the terminal's keys say, or always the same"
    )

    def knows(self, serial: str) -> bool:
        return not self.serials or serial in self.serials

    def takes(self, path: str, query: Mapping[str, str]) -> bool:
        """Terminals are told a server and a port, and nothing else: they post to /iclock/."""
        return path.startswith(PATH) and self.knows(query.get("SN", ""))
