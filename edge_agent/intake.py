"""From a device's readings to the recorder's desk: cleaned, counted, none dropped in silence."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

import msgspec

from devices.driver import Item, Reading, Rejected
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from edge_agent.clock import Clock
from edge_agent.recorder.desk import Desk, Submission
from edge_agent.station import Station
from records import Record


class Intake(NamedTuple):
    """Shared by every device's thread; holds no state of its own."""

    desk: Desk
    policy: Policy
    clock: Clock

    def take(self, station: Station, items: Sequence[Item], *, waits: bool) -> Future[None]:
        """Cleans and hands over; the future is done once all of it is on disk, quarantine included.

        waits: the source can come again: the future fails with `BufferFull` while there is no room
        """
        now = self.clock.now()
        moment = Moment(now.wall, int(now.mono * 1000), now.quality)
        records: list[Record] = []
        identities: list[str | None] = []
        state: dict[str, bytes | None] = {}
        rejects = 0
        for item in items:
            cleaned = clean(item, station.id, self.policy, moment) if isinstance(item, Reading) else item
            if isinstance(cleaned, Rejected):
                rejects += 1
                cleaned = quarantine(cleaned, station.id)
            records.append(cleaned)
            identities.append(item.identity if isinstance(item, Reading) else None)
            state.update(item.state)
        station.brought(len(records) - rejects, rejects, now)
        return self.desk.submit(Submission(station.id, records, identities, state, waits))

    def say(self, station: Station, data: msgspec.Struct) -> Future[None]:
        """A record that the agent itself makes about a device."""
        now = self.clock.now()
        record = Record(station.id, now.wall, data, int(now.mono * 1000), now.quality)
        return self.desk.submit(Submission(station.id, [record], [None], {}))
