"""Orders of headquarters, obeyed by the agent's own parts over a real buffer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloud_sync.seal.hpke import OpeningKey, RecipientKey
from cloud_sync.uplink.messages import Reply
from cloud_sync.wire import heartbeat as wire
from cloud_sync.wire.downlink import Command, Kind, Order
from cloud_sync.wire.heartbeat import Answer
from edge_agent.linking import Obedience
from edge_agent.orders import DONE, FILE, Orders, Outcome
from edge_agent.recorder.desk import Desk
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.test_leaving import stream
from tests.edge_agent.test_recorder import running

OLD, ESCROW, NEW, NEWER = (OpeningKey.generate().public for _ in range(4))
LATE = Outcome(False, "a later order of this name was obeyed")


class Agent:
    """One start of an agent: `sealed_to` is what the recorder was told."""

    def __init__(self, folder: Path, configured: tuple[RecipientKey, ...] = (OLD, ESCROW)) -> None:
        self.sealed_to: list[list[RecipientKey]] = []
        self.orders = Orders(folder, configured, lambda _: True, self.sealed_to.append)

    def seal_to(self, place: tuple[int, int], *keys: RecipientKey) -> Outcome | None:
        return self.orders.obey(Order(*place, Command.SEAL_TO, b"".join(key.raw for key in keys)))


def test_new_recipients_hold_over_a_restart(tmp_path: Path) -> None:
    """What HQ ordered last is sealed to from then on, by every start, beside the escrow key."""
    agent = Agent(tmp_path)
    assert agent.orders.recipients == [OLD, ESCROW]
    assert agent.seal_to((1, 4), NEW, ESCROW) == DONE

    assert agent.sealed_to == [[NEW, ESCROW]]
    assert agent.orders.recipients == Agent(tmp_path).orders.recipients == [NEW, ESCROW]


def test_the_escrow_key_stays(tmp_path: Path) -> None:
    """An order that leaves the escrow key out does not take it away."""
    agent = Agent(tmp_path)
    assert agent.seal_to((1, 1), NEW) == DONE
    assert agent.orders.recipients == [NEW, ESCROW]


def test_an_order_counts_once_and_only_where_it_rises(tmp_path: Path) -> None:
    """A repeated order is answered again and changes nothing; an older one is not done, also after a restart."""
    first = Agent(tmp_path)
    assert first.seal_to((1, 4), NEW) == DONE
    agent = Agent(tmp_path)

    assert agent.seal_to((1, 4), NEW) == DONE
    assert agent.seal_to((1, 3), OLD) == agent.seal_to((0, 9), OLD) == LATE
    assert (agent.sealed_to, agent.orders.recipients) == ([], [NEW, ESCROW])
    assert agent.seal_to((2, 1), NEWER) == DONE
    assert agent.orders.recipients == [NEWER, ESCROW]


@pytest.mark.parametrize("content", [b"", NEW.raw[:-1], os.urandom(1216), NEW.raw + bytes(1216)])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """A box never seals to what cannot be sealed to; headquarters hears why."""
    agent = Agent(tmp_path)
    outcome = agent.orders.obey(Order(1, 1, Command.SEAL_TO, content))

    assert outcome is not None
    assert not outcome.done
    assert "keys" in outcome.why
    assert agent.orders.recipients == [OLD, ESCROW]
    assert not (tmp_path / FILE).exists()


def test_the_configuration_has_the_last_word(tmp_path: Path) -> None:
    """Where a person names other keys than at the time of the order, those count."""
    Agent(tmp_path).seal_to((1, 1), NEW)
    assert Agent(tmp_path, (NEWER, ESCROW)).orders.recipients == [NEWER, ESCROW]


def test_a_rotten_file_of_orders_is_as_none(tmp_path: Path) -> None:
    """One flipped bit in it, and the agent seals to what its configuration names."""
    Agent(tmp_path).seal_to((1, 1), NEW)
    raw = bytearray((tmp_path / FILE).read_bytes())
    raw[-1] ^= 1
    (tmp_path / FILE).write_bytes(raw)

    assert Agent(tmp_path).orders.recipients == [OLD, ESCROW]


def test_an_order_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    """It is not answered, so that headquarters says it again to the release that knows it."""
    assert Agent(tmp_path).orders.obey(Order(1, 1, "dance", b"")) is None


def test_a_new_stream_is_answered_and_comes_once(tmp_path: Path) -> None:
    """However often headquarters repeats it, the order makes one new stream, and every time the answer says done."""
    box, said = TestBox(), []

    def obedience(desk: Desk) -> Obedience:
        orders = Orders(tmp_path, (OLD, ESCROW), desk.leave, lambda _: None)
        return Obedience(("0214", "box-1"), box.key, desk, said.append, lambda: None, lambda _: None, orders.obey)

    with running(tmp_path, box) as (desk, _):
        before = stream(desk)
        order = Order(1, 7, Command.NEW_STREAM, os.urandom(16) + before)
        agent = obedience(desk)
        agent.ordered(Kind.COMMAND, order)
        after = stream(desk)
        agent.ordered(Kind.COMMAND, order)
    with running(tmp_path, box) as (desk, _):
        obedience(desk).ordered(Kind.COMMAND, order)
        assert before != after == stream(desk)

    assert all(isinstance(reply, Reply) for reply in said)
    answers = [wire.verify(reply.payload, box.key.public_key()) for reply in said]
    assert [(type(one), one.order, one.done) for one in answers] == [(Answer, (1, 7), True)] * 3


def test_what_could_not_be_done_is_not_answered(tmp_path: Path) -> None:
    """A stream that cannot be left now is asked for again: headquarters repeats the order."""
    orders = Orders(tmp_path, (OLD,), lambda _: False, lambda _: None)
    assert orders.obey(Order(1, 1, Command.NEW_STREAM, bytes(16))) is None
    assert not (tmp_path / FILE).exists()
