"""What to do with one message. HQ believes its topic and the box's signature, nothing in a body."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud_sync.ingest.opening import Damaged, Later, Spoilt, open_batch, unseal
from cloud_sync.ingest.work import Batch, Beat, Header, Letter, Reply, Sender
from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.epoch_key import EpochKey
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire import heartbeat as wire_heartbeat
from cloud_sync.wire.epoch import EpochIdentity
from cloud_sync.wire.heartbeat import Answer, Heartbeat
from cloud_sync.wire.reader import WireError
from cloud_sync.wire.topics import Up
from records import Lane

UNKNOWN = "unknown epoch"
_LIMIT = 2**63


class Message(NamedTuple):
    """As it came from the broker. token: whatever the shell needs to acknowledge it."""

    topic: str
    payload: bytes
    token: object


class OpenEpoch(NamedTuple):
    """An epoch whose batches HQ can open."""

    identity: EpochIdentity
    key: EpochKey


class HoldEpoch(NamedTuple):
    """The box shall send this epoch's header, or wait: nothing is stored and nothing refused. why: may be `UNKNOWN`."""

    sender: Sender
    epoch: bytes
    why: str


class Ignored(NamedTuple):
    """Neither stored nor answered; the box sends again what has no receipt."""

    why: str


Verdict = Header | Batch | Letter | Beat | Reply | HoldEpoch | Ignored


class Source(NamedTuple):
    """A registered box."""

    sender: Sender
    key: Ed25519PublicKey


def epoch_of(what: Up, payload: bytes) -> bytes | None:
    """The epoch a message is about, None where it has none or is malformed."""
    try:
        if what is Up.BATCH:
            return wire_batch.parse(payload)[0].epoch
        if what is Up.EPOCH:
            return wire_epoch.parse(payload).identity.epoch
    except WireError:
        pass
    return None


class Judge:
    """keys: HQ's opening keys by key id, the retired ones too; epochs: those known, in the order they became so."""

    def __init__(self, keys: Mapping[bytes, OpeningKey]) -> None:
        self.epochs: dict[bytes, OpenEpoch] = {}
        self._keys = keys
        self._zstd = Zstd()

    def learn(self, header: bytes) -> None:
        """An epoch that the warehouse holds. One that our keys no longer open stays unknown."""
        parsed = wire_epoch.parse(header)
        try:
            self.epochs[parsed.identity.epoch] = OpenEpoch(parsed.identity, unseal(parsed, self._keys))
        except (Later, Damaged):
            self.epochs.pop(parsed.identity.epoch, None)

    def judge(self, source: Source, what: Up, message: Message) -> list[Verdict]:
        """What becomes of a message; a batch with rotten rows is a batch and a letter."""
        try:
            if what is Up.BATCH:
                return self._batch(source.sender, message)
            if what is Up.EPOCH:
                return [self._header(source, message)]
            if what is Up.HEARTBEAT:
                return [self._beat(source, message)]
            return [self._reply(source, message)]
        except (WireError, Damaged) as fault:
            sealed, refused = isinstance(fault, Spoilt), what in (Up.BATCH, Up.EPOCH)
            return [_letter(source.sender, message, str(fault), refused=refused, sealed=sealed)]

    def _batch(self, sender: Sender, message: Message) -> list[Verdict]:
        header, body = wire_batch.parse(message.payload)
        epoch = self.epochs.get(header.epoch)
        if epoch is None:
            return [HoldEpoch(sender, header.epoch, UNKNOWN)]
        _check_owner(epoch.identity, sender)
        if header.last >= _LIMIT - 1:
            raise WireError(f"batch: its numbers go up to {header.last}")
        try:
            entries, fault = open_batch(epoch.key, header, body, self._zstd)
        except Later as reason:
            return [HoldEpoch(sender, header.epoch, str(reason))]
        digest = wire_batch.digest(message.payload)
        span = (header.lane, header.first, header.last, header.kind)
        found: list[Verdict] = [Batch(sender, digest, epoch.identity.stream, header.epoch, *span, entries)]
        if fault:
            found.append(_letter(sender, message, fault, refused=False, sealed=False))
        return found

    def _header(self, source: Source, message: Message) -> Header | HoldEpoch | Ignored:
        if message.payload[:4] == wire_epoch.MAGIC and message.payload[4:5] != bytes([wire_epoch.SUITE]):
            return Ignored("epoch header of a suite of a later release")
        header = wire_epoch.parse(message.payload)
        identity = header.identity
        _check_owner(identity, source.sender)
        if identity.fingerprint != source.sender.fingerprint:
            return Ignored("epoch header of a key that is not the registered one")
        header.verify(source.key)
        if max(identity.first) >= _LIMIT:
            raise WireError(f"epoch header: its numbers begin at {max(identity.first)}")
        known = self.epochs.get(identity.epoch)
        if known is not None and known.identity != identity:
            raise WireError("epoch header: this epoch is known with another content")
        try:
            key = unseal(header, self._keys)
        except Later as reason:
            return HoldEpoch(source.sender, identity.epoch, str(reason))
        self.epochs[identity.epoch] = OpenEpoch(identity, key)
        return Header(source.sender, header)

    def _beat(self, source: Source, message: Message) -> Beat:
        body = wire_heartbeat.verify(message.payload, source.key)
        _check_name(body, source.sender)
        if isinstance(body, Answer):
            raise WireError("heartbeat: an answer, on the topic of heartbeats")
        numbers = [body.session, *([body.seq, body.at_us] if isinstance(body, Heartbeat) else [])]
        if not all(-_LIMIT <= number < _LIMIT for number in numbers):
            raise WireError("heartbeat: a number is beyond 63 bits")
        return Beat(source.sender, body)

    def _reply(self, source: Source, message: Message) -> Reply:
        body = wire_heartbeat.verify(message.payload, source.key)
        _check_name(body, source.sender)
        if not isinstance(body, Answer):
            raise WireError("answer: a heartbeat, on the topic of answers")
        for stream, epoch, lane, first, last in body.not_held:
            if not (len(stream) == len(epoch) == 16 and lane in list(Lane) and 0 < first <= last < _LIMIT - 1):
                raise WireError("answer: a range that cannot be")
        return Reply(source.sender, body)


def _check_name(body: wire_heartbeat.Body, sender: Sender) -> None:
    if (body.store, body.box) != (sender.store, sender.box):
        raise WireError("a box's message: it names another box than its topic")


def _check_owner(identity: EpochIdentity, sender: Sender) -> None:
    if (identity.store, identity.box) != (sender.store, sender.box):
        raise Damaged("its epoch belongs to another box than its topic")


def _letter(sender: Sender, message: Message, reason: str, *, refused: bool, sealed: bool) -> Letter:
    return Letter(sender, sha256(message.payload).digest(), message.topic, reason, message.payload, refused, sealed)
