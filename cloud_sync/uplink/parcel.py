"""What the uplink sends until its receipt comes."""

from __future__ import annotations

from typing import NamedTuple

from cloud_sync.wire.topics import Up


class Parcel(NamedTuple):
    """An epoch header or a batch. digest: SHA-256 of the payload; receipts name its first 16 bytes."""

    digest: bytes
    what: Up
    payload: bytes
