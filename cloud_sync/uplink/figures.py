"""What the link has done, for heartbeats and status."""

from __future__ import annotations

from typing import NamedTuple


class Figures(NamedTuple):
    """The link for heartbeats and status.

    up_since: monotonic seconds, None while apart; why: what ended the last session, "" before
    last_receipt_us: the box's clock at HQ's last receipt; skew_ms: the box's clock minus HQ's then
    receipt_at: monotonic seconds at that receipt, so that a clock set since can be told
    resends: parcels sent again, or in flight when a link broke; forged: envelopes that were not HQ's
    link: the name of the one in use, or of the one tried; sent, received: bytes of all links since the start
    carried: bytes of this month where the link in use is metered
    fault: what is wrong with a link that looks well, "" where nothing is: `no-receipts` where HQ says nothing,
    `late-receipts` where it does and some parcels wait all the same, `sessions-break` where they end as soon as
    something is sent, `too-large` where the broker takes no batches of the size of some
    most: bytes of the largest batch that is sent; what is larger stays on the disk, None where nothing does
    """

    up_since: float | None
    why: str
    in_flight: int
    last_receipt_us: int | None
    skew_ms: int | None
    resends: int
    forged: int
    link: str = ""
    sent: int = 0
    received: int = 0
    carried: int | None = None
    fault: str = ""
    receipt_at: float | None = None
    most: int | None = None
