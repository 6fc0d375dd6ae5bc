"""Which lanes may be sent over the link in use now, by the store's plan and what a metered link has left."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from cloud_sync.uplink.messages import Parcel, Remember, TimeOfDay
from cloud_sync.uplink.meter import Meter
from cloud_sync.uplink.pace import PaceLimit
from cloud_sync.uplink.plan import Plan
from cloud_sync.wire.topics import Up
from records import Lane


class Lanes:
    """shut: the lanes that may not be sent. Headers always pass."""

    def __init__(self, plan: Plan, facts: Mapping[str, int]) -> None:
        self._plan = plan
        self._meter = Meter(plan.caps, facts)
        self._link = ""
        self._minute = 0
        self._limits = {lane: PaceLimit() for lane in Lane}
        self.shut: frozenset[Lane] = frozenset()

    def carried(self, link: str) -> int | None:
        """Bytes of this month over a metered link."""
        return self._meter.carried(link)

    def use(self, link: str) -> None:
        """A session over that link begins."""
        self._link = link
        self._look()

    def tell_time(self, said: TimeOfDay) -> list[Remember]:
        self._minute = said.minute
        news = list(self._meter.begin(said.month))
        self._look()
        return news

    def count(self, size: int) -> list[Remember]:
        """So many bytes more went over the link in use."""
        news = list(self._meter.count(self._link, size))
        self._look()
        return news

    def free_at(self, parcel: Parcel) -> float:
        """When the plan lets this parcel go; infinity where its lane is closed."""
        if parcel.what is Up.EPOCH:
            return 0.0
        return inf if parcel.lane in self.shut else self._limits[parcel.lane].free_at

    def free(self, now: float) -> frozenset[Lane]:
        """The lanes that may be sent now."""
        return frozenset(lane for lane in Lane if lane not in self.shut and self._limits[lane].allows(now))

    def next_free(self, now: float) -> float:
        """When another lane may be sent; infinity where none waits for its time."""
        waits = (self._limits[lane].free_at for lane in Lane if lane not in self.shut)
        return min((at for at in waits if at > now), default=inf)

    def spend(self, parcel: Parcel, now: float) -> None:
        """It goes out, for the first time or again."""
        self._limits[parcel.lane].spend(len(parcel.payload), now)

    def _look(self) -> None:
        rates = self._plan.rates(self._link, self._minute)
        over = self._meter.over(self._link)
        self.shut = frozenset(lane for lane, rate in rates.items() if not rate or (over and lane is not Lane.VITAL))
        for lane, rate in rates.items():
            self._limits[lane].set(0 if rate == inf else int(rate))
