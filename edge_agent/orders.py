"""Obeying HQ's orders: which of them count, and to whom the box seals since.

    larger (generation, counter) than the last of its name ──▶ carried out, kept, answered
    that of the last one                                   ──▶ answered again
    a smaller one                                          ──▶ answered as not done

What is kept stands beside the buffer: the SHA-256 of the rest, then `Kept` as MessagePack. The order's signature was
verified where it was heard (`cloud_sync.uplink.hearing`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from cloud_sync.seal.hpke import PUBLIC, RecipientKey
from cloud_sync.wire.downlink import Command, Order
from edge_agent import durable

FILE = "hq-orders"
STREAM, DIGEST = 16, 32
MOST = 8  # recipients: a header holds 13
log = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """obeyed: the last order of each name; configured: what `recipients` came instead of, none before an order."""

    obeyed: dict[str, tuple[int, int]] = {}
    configured: list[bytes] = []
    recipients: list[bytes] = []


class Outcome(NamedTuple):
    """What is answered. why: for people, where it was not done."""

    done: bool
    why: str = ""


DONE = Outcome(True)


class Orders:
    """configured: recipients as the configuration names them, the escrow key last, which stays whatever HQ orders

    leave: goes on in a new stream where the present one is named, False where that cannot be done now
    seal_to: these count from the next epoch on, and the present one ends
    """

    def __init__(
        self,
        folder: Path,
        configured: Sequence[RecipientKey],
        leave: Callable[[frozenset[bytes]], bool],
        seal_to: Callable[[list[RecipientKey]], None],
    ) -> None:
        self._path = folder / FILE
        self._configured = list(configured)
        self._leave = leave
        self._seal_to = seal_to
        self._kept = _read(self._path)

    @property
    def recipients(self) -> list[RecipientKey]:
        """HQ's last word, as long as the configuration names the same keys as then."""
        if self._kept.recipients and self._kept.configured == _raw(self._configured):
            return [RecipientKey(raw) for raw in self._kept.recipients]
        return list(self._configured)

    def obey(self, order: Order) -> Outcome | None:
        """None where there is nothing to answer yet: HQ repeats the order."""
        place = order.generation, order.counter
        last = self._kept.obeyed.get(order.name)
        if last is not None and place <= last:
            return DONE if place == last else Outcome(False, "a later order of this name was obeyed")
        match order.name:
            case Command.NEW_STREAM:
                return self._new_stream(order)
            case Command.SEAL_TO:
                return self._new_recipients(order)
            case _:
                return None  # a later release knows it

    def _new_stream(self, order: Order) -> Outcome | None:
        streams = _pieces(order.content, STREAM)
        if not streams:
            return Outcome(False, f"names no streams of {STREAM} bytes")
        if not self._leave(frozenset(streams)):
            return None
        self._keep(self._kept, order)
        return DONE

    def _new_recipients(self, order: Order) -> Outcome:
        named = [RecipientKey(raw) for raw in dict.fromkeys(_pieces(order.content, PUBLIC))]
        if not named or len(named) >= MOST or not all(key.works for key in named):
            return Outcome(False, f"names no keys of {PUBLIC} bytes, more than {MOST - 1}, or one that is none")
        escrow = self._configured[-1:] if len(self._configured) > 1 else []
        recipients = [*named, *(key for key in escrow if key not in named)]
        new = Kept(self._kept.obeyed, _raw(self._configured), _raw(recipients))
        self._keep(new, order)
        self._seal_to(recipients)
        return DONE

    def _keep(self, new: Kept, order: Order) -> None:
        obeyed = {**new.obeyed, order.name: (order.generation, order.counter)}
        self._kept = msgspec.structs.replace(new, obeyed=obeyed)
        content = msgspec.msgpack.encode(self._kept)
        durable.replace(self._path, sha256(content).digest() + content)


def _read(path: Path) -> Kept:
    """Nothing, where rot has it: HQ may give its orders again, and what the configuration says holds."""
    raw = path.read_bytes() if path.exists() else b""
    if sha256(raw[DIGEST:]).digest() == raw[:DIGEST]:
        return msgspec.msgpack.decode(raw[DIGEST:], type=Kept)
    if raw:
        log.error("event=orders-unreadable path=%s", path)
    return Kept()


def _pieces(content: bytes, size: int) -> list[bytes]:
    """Of `size` bytes each; none where something is left over."""
    return [] if len(content) % size else [content[at : at + size] for at in range(0, len(content), size)]


def _raw(keys: Sequence[RecipientKey]) -> list[bytes]:
    return [key.raw for key in keys]
