"""Believing HQ: what is not proven to come from HQ for this box is counted and changes nothing."""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud_sync.wire.downlink import (
    DIGEST,
    Envelope,
    Hold,
    Message,
    Receipt,
    Refusal,
    Resend,
    Succession,
    open_envelope,
)
from cloud_sync.wire.reader import WireError
from records import Lane

ID = 16


class Pin(NamedTuple):
    """Whom a box believes. root: HQ's offline root; fingerprint: of the box's key; lowest: serial of HQ's keys."""

    root: Ed25519PublicKey
    fingerprint: bytes
    lowest: int


class Hearing:
    """Opens envelopes. forged: how many were not HQ's word, or malformed."""

    def __init__(self, pin: Pin) -> None:
        self._pin = pin
        self.forged = 0

    def open(self, raw: bytes) -> Envelope | None:
        """HQ's word; None for what is forged, malformed, or of a kind that a later release knows."""
        try:
            envelope = open_envelope(raw, self._pin.root, self._pin.fingerprint, self._pin.lowest)
        except WireError:
            self.forged += 1
            return None
        if envelope and not _well_formed(envelope.body):
            self.forged += 1
            return None
        return envelope

    @property
    def root(self) -> bytes:
        """HQ's root as it is pinned now, 32 bytes."""
        return self._pin.root.public_bytes_raw()

    def learn(self, envelope: Envelope) -> int | None:
        """The lowest serial that its certificate demands, where that is news. A successor of the root is pinned."""
        if isinstance(envelope.body, Succession):
            self._pin = self._pin._replace(root=envelope.body.root_after(self._pin.root))
        lowest = envelope.certificate.lowest
        if lowest <= self._pin.lowest:
            return None
        self._pin = self._pin._replace(lowest=lowest)
        return lowest


def _well_formed(body: Message) -> bool:
    match body:
        case Receipt() | Refusal():
            return len(body.digests) % DIGEST == 0
        case Hold():
            return len(body.epochs) % ID == 0
        case Resend():
            return all(_is_range(*each) for each in body.ranges)
        case _:
            return True


def _is_range(stream: bytes, epoch: bytes, lane: int, first: int, last: int) -> bool:
    return len(stream) == len(epoch) == ID and lane in list(Lane) and 0 <= first <= last
