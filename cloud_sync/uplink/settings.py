"""The uplink's numbers; every time is in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from cloud_sync.wire import batch, epoch


@dataclass(frozen=True, slots=True)
class Settings:
    """parcels, bytes: in flight without receipt at most; of these `headers` places are kept free of batches
    resend_s, resend_cap_s: first and longest wait for a receipt before sending again
    hush_s: after so long without HQ's word one parcel asks for all
    silence_s, silence_cap_s: first and longest wait for HQ's word before the session is begun anew
    connect_s: how long a session may take to begin
    poll_s: how often an empty disk is asked again
    spread_s: over which span first connections spread until HQ says another
    brokers: how many addresses there are
    """

    parcels: int = 20
    bytes: int = 1_048_576
    headers: int = 4
    resend_s: float = 15.0
    resend_cap_s: float = 300.0
    hush_s: float = 120.0
    silence_s: float = 600.0
    silence_cap_s: float = 3_600.0
    connect_s: float = 60.0
    poll_s: float = 30.0
    spread_s: float = 5.0
    brokers: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.headers < self.parcels:
            raise ValueError(f"headers {self.headers}: must lie between 0 and parcels ({self.parcels})")
        if self.batch_bytes < batch.MAX_SIZE:
            raise ValueError(f"bytes {self.bytes}: no room for one batch beside {self.headers} headers")

    @property
    def batch_parcels(self) -> int:
        """How many parcels may be in flight for another batch to join them."""
        return self.parcels - self.headers

    @property
    def batch_bytes(self) -> int:
        return self.bytes - self.headers * epoch.MAX_SIZE
