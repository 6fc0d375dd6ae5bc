"""The mirror in heartbeats and health records: told like a device, since a medium is one."""

from __future__ import annotations

from edge_agent.clock import Clock
from edge_agent.intake import Intake
from edge_agent.recorder.mirroring import Mirroring, Standing
from edge_agent.station import State, Station
from edge_agent.survey import Said
from records.types import DeviceHealth


class MirrorStation(Station):
    """Up while the mirror is in step; its reason then says how far it lags."""

    def __init__(self, mirroring: Mirroring, intake: Intake, clock: Clock) -> None:
        super().__init__("buffer-mirror", "mirror", clock)
        self._mirroring = mirroring
        self._intake = intake
        mirroring.on_change = self._heard

    @property
    def standing(self) -> tuple[State, str | None]:
        behind = self._mirroring.standing().behind
        if self.state == "up" and behind:
            return "up", f"{behind} transactions behind"
        return self.state, self.reason

    def _heard(self, now: Standing) -> None:
        """What a comparison finds is told when it is over."""
        if now.state == "comparing":
            return
        health = DeviceHealth(state="up" if now.state == "in step" else "down", reason=now.reason)
        before, self.state, self.reason = self.state, health.state, health.reason
        if health.state != before:
            self._intake.say(self, health)


def told(mirroring: Mirroring) -> Said:
    """How the mirror is, for `edge-agent buffer status`."""
    standing = mirroring.standing()
    says = {
        "in step": f"in step, {standing.behind} transactions behind",
        "comparing": "is being compared with the buffer; until that is done it may lack what is new",
        "away": f"away, {standing.behind} transactions behind: {standing.reason}",
    }
    return {**standing._asdict(), "says": says[standing.state]}
