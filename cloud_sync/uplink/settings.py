"""The uplink's numbers; every time is in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud_sync.uplink.plan import Plan
from cloud_sync.wire import batch, epoch


@dataclass(frozen=True, slots=True)
class Settings:
    """parcels, bytes: in flight without receipt at most; of these `headers` places are kept free of batches
    share: of the places of batches, how many the backlog leaves to fresh ones, and they to it
    resend_s, resend_cap_s: first and longest wait for a receipt before sending again
    hush_s: after so long without HQ's word one parcel asks for all
    notice_s: after so long without its receipt a parcel is told of
    silence_s, silence_cap_s: first and longest wait for HQ's word before the session is begun anew
    connect_s: how long a session may take to begin
    poll_s: how often an empty disk is asked again
    spread_s: over which span first connections spread until HQ says another
    return_s: how long a session on another link than the first may last before the first is tried again
    larger_s: after so long larger batches are tried than those that the broker seems to take
    restart_s: how long no broker may answer before the process is begun anew
    ways: for each broker in the order of trying, the name of the link that leads to it
    plan: what the links may carry; facts: what `Remember` was told in earlier lives
    """

    parcels: int = 20
    bytes: int = 1_048_576
    headers: int = 4
    share: int = 4
    resend_s: float = 15.0
    resend_cap_s: float = 300.0
    hush_s: float = 120.0
    notice_s: float = 40.0
    silence_s: float = 600.0
    silence_cap_s: float = 3_600.0
    connect_s: float = 60.0
    poll_s: float = 30.0
    spread_s: float = 5.0
    return_s: float = 1_800.0
    larger_s: float = 300.0
    restart_s: float = 7_200.0
    ways: tuple[str, ...] = ("wired",)
    plan: Plan = field(default_factory=Plan)
    facts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.headers < self.parcels:
            raise ValueError(f"headers {self.headers}: must lie between 0 and parcels ({self.parcels})")
        if not 0 <= self.share < self.batch_parcels:
            raise ValueError(f"share {self.share}: must be less than the places of batches ({self.batch_parcels})")
        if self.shared_bytes < batch.MAX_SIZE:
            raise ValueError(f"bytes {self.bytes}: no room for one batch beside {self.headers} headers and the share")

    @property
    def batch_parcels(self) -> int:
        """How many parcels may be in flight for another batch to join them."""
        return self.parcels - self.headers

    @property
    def batch_bytes(self) -> int:
        return self.bytes - self.headers * epoch.MAX_SIZE

    @property
    def shared_parcels(self) -> int:
        """How many batches of one kind, fresh or backlog, may be in flight."""
        return self.batch_parcels - self.share

    @property
    def shared_bytes(self) -> int:
        return self.batch_bytes - self.share * batch.MAX_SIZE
