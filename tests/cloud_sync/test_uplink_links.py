"""Links, plan, cap, shares and what is wrong with a link that looks well: the uplink's core in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.messages import (
    Carried,
    Connect,
    Effect,
    Fetch,
    Fetched,
    LinkDown,
    LinkUp,
    NewParcels,
    Parcel,
    Publish,
    Remember,
    RememberRoot,
    Reply,
    ResetSession,
    Restart,
    Tick,
    TimeOfDay,
)
from cloud_sync.uplink.meter import CHUNK, FACT
from cloud_sync.uplink.plan import Plan, Rule
from cloud_sync.uplink.settings import Settings
from cloud_sync.wire import succession
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import Kind, Pace, Succession
from cloud_sync.wire.topics import Up
from records import Lane
from tests.cloud_sync.uplink_parts import (
    FINGERPRINT,
    PIN,
    ROOT,
    SETTINGS,
    batch,
    heard,
    publishes,
    receipt,
    run_until,
    sending,
    signer,
    started,
    word,
)

MB = 1_000_000
LANES = frozenset(Lane)


def of(number: int, lane: Lane, size: int = 1_000, *, fresh: bool = False) -> Parcel:
    return batch(number, size)._replace(lane=lane, fresh=fresh)


def fetches(effects: list[Effect]) -> list[Fetch]:
    return [effect for effect in effects if isinstance(effect, Fetch)]


def carried_out(core: Uplink, effects: list[Effect], now: float, answer: Callable[[Fetch], Fetched]) -> list[Parcel]:
    """What is sent until the disk is asked no more."""
    sent = publishes(effects)
    while asked := fetches(effects):
        effects = core.step(answer(asked[0]), now)
        sent += publishes(effects)
    return sent


# --- shares ----------------------------------------------------------------------------------------------------------


def test_a_backlog_leaves_room_for_what_is_fresh() -> None:
    """With every place that the backlog may have taken, a fresh batch is asked for and goes at once."""
    core = started(Settings(parcels=8, headers=2, share=2, spread_s=0.0))
    core.step(Fetched(tuple(batch(n) for n in range(4)), newest=50), 0.0)
    asked = fetches(core.step(NewParcels(), 1.0))
    sent = core.step(Fetched((of(99, Lane.VITAL, fresh=True),), newest=51), 1.0)

    assert [(each.fresh, each.backlog, each.since) for each in asked] == [(2, 0, 50)]
    assert [each.payload for each in publishes(sent)] == [of(99, Lane.VITAL).payload]


def test_fresh_batches_leave_room_for_the_backlog() -> None:
    """However many fresh batches there are, the backlog keeps its share of the window."""
    core = started(Settings(parcels=8, headers=2, share=2, spread_s=0.0))
    core.step(Fetched((), newest=50), 0.0)
    core.step(NewParcels(), 1.0)
    core.step(Fetched(tuple(of(n, Lane.VITAL, fresh=True) for n in range(9)), newest=59), 1.0)
    asked = fetches(core.step(NewParcels(), 2.0))
    sent = core.step(Fetched((batch(100), batch(101)), newest=59), 2.0)

    assert core.figures.in_flight == 6
    assert publishes(sent) == [batch(100), batch(101)]
    assert not asked or asked[0].fresh == 0


def test_fresh_records_pass_a_paced_backlog_within_seconds() -> None:
    """HQ lets 8 kB a second of an endless backlog pass: a fresh batch each second waits for none of it, and the backlog
    moves at its pace.
    """
    core = started(Settings(spread_s=0.0))
    heard(core, word(Kind.PACE, Pace(0, 8_000, 0)), 0.0)
    backlog = iter(batch(n, 60_000) for n in range(1_000))
    core.step(Fetched(tuple(next(backlog) for _ in range(4)), newest=1_000), 0.0)
    waits, old = 0, 0
    for second in range(1, 301):
        disk = [of(10_000 + second, Lane.VITAL, fresh=True)]

        def answer(asked: Fetch, disk: list[Parcel] = disk, second: int = second) -> Fetched:
            given = [disk.pop() for _ in range(min(asked.fresh, len(disk)))]
            return Fetched((*given, *(next(backlog) for _ in range(asked.backlog))), newest=1_000 + second)

        sent = carried_out(core, core.step(NewParcels(), float(second)), float(second), answer)
        waits += not any(len(each.payload) < 60_000 for each in sent)
        sent += carried_out(core, heard(core, receipt(sent, 0), second + 0.5), second + 0.5, answer)
        old += sum(len(each.payload) == 60_000 for each in sent)
        carried_out(core, heard(core, receipt(sent, 0), second + 0.6), second + 0.6, answer)

    assert waits == 0
    assert 300 * 8_000 / 60_000 * 0.8 <= old <= 300 * 8_000 / 60_000 + 2


# --- plan and cap ----------------------------------------------------------------------------------------------------


def rule(lanes: set[Lane], begins: int, ends: int, bytes_per_s: int, links: frozenset[str] = frozenset()) -> Rule:
    return Rule(links, frozenset(lanes), begins, ends, bytes_per_s)


@pytest.mark.parametrize(
    ("minute", "covered"), [(0, True), (359, True), (360, False), (1_319, False), (1_320, True), (1_439, True)]
)
def test_a_rule_may_hold_over_midnight(minute: int, covered: bool) -> None:
    """From 22:00 until 06:00 covers the night and nothing else."""
    assert rule({Lane.BULK}, 1_320, 360, 0).covers(minute) is covered


def test_the_strictest_rule_counts() -> None:
    """Of two rules that meet, the smaller rate; a rule of another link does not count."""
    rules = rule({Lane.BULK}, 0, 0, 100), rule({Lane.BULK}, 0, 0, 50), rule({Lane.BULK}, 0, 0, 1, frozenset({"lte"}))

    assert Plan(rules).rates("wired", 0)[Lane.BULK] == 50
    assert Plan(rules).rates("lte", 0)[Lane.BULK] == 1
    assert Plan(rules).rates("wired", 0)[Lane.VITAL] == float("inf")


def test_a_closed_lane_is_not_asked_for_until_its_time() -> None:
    """Bulk closed until 22:00 is not fetched; what of it is in flight is let go of; at 22:00 it is asked for."""
    core = started(replace(SETTINGS, plan=Plan((rule({Lane.BULK}, 480, 1_320, 0),))))
    core.step(Fetched((of(1, Lane.BULK), of(2, Lane.VITAL))), 0.0)
    core.step(Fetched(()), 0.0)
    core.step(TimeOfDay(1, 480), 10.0)
    closed = fetches(core.step(NewParcels(), 11.0))
    in_flight = core.figures.in_flight
    core.step(Fetched(()), 11.0)
    opened = fetches(core.step(TimeOfDay(1, 1_320), 12.0))

    assert closed[0].lanes == LANES - {Lane.BULK}
    assert in_flight == 1
    assert opened[0].lanes == LANES


def test_a_lane_keeps_its_rate() -> None:
    """At 1,000 bytes a second batches of 1,000 of that lane leave once a second, and vital ones whenever they come."""
    core = started(replace(SETTINGS, plan=Plan((rule({Lane.NORMAL}, 0, 0, 1_000),))))
    disk = [of(n, Lane.NORMAL) for n in range(20)]
    taken: set[bytes] = set()

    def answer(asked: Fetch) -> Fetched:
        left = [each for each in disk if each.payload not in taken and each.lane in asked.lanes]
        return Fetched(tuple(left[: asked.backlog]))

    now, effects, sent = 0.0, core.step(Fetched(()), 0.0), 0
    effects += core.step(NewParcels(), 0.0)
    while now < 10.0:
        gone = carried_out(core, effects, now, answer)
        taken |= {each.payload for each in gone}
        sent += len(gone)
        effects = heard(core, receipt(gone, 0), now)
        if not fetches(effects):
            now = core.due(now)
            effects = core.step(Tick(), now)

    assert 9 <= sent <= 12


METERED = Settings(parcels=6, headers=2, share=0, spread_s=0.0, ways=("wired", "lte"), plan=Plan((), {"lte": 10 * MB}))


def on_lte(settings: Settings = METERED) -> tuple[Uplink, float]:
    """An uplink whose wired link failed often enough that the metered one is up, and the time."""
    core, now = Uplink(PIN, settings, Random(1)), 0.0
    core.step(TimeOfDay(1, 0), now)
    for _ in range(100):
        now = max(now, core.due(now))
        for effect in core.step(Tick(), now):
            if isinstance(effect, Connect) and effect.way == 1:
                core.step(LinkUp(effect.session), now)
                return core, now
            if isinstance(effect, Connect):
                core.step(LinkDown(effect.session, "no route"), now)
    raise AssertionError("the metered link was never tried")


def test_another_link_is_tried_after_patience_with_the_first() -> None:
    """The wired link is tried three times before the metered one, which a heartbeat then names."""
    core, _ = on_lte()

    assert core.figures.link == "lte"
    assert core.figures.carried == 0


def test_the_first_link_is_tried_again() -> None:
    """After half an hour on the metered link the session ends and the wired link is tried."""
    core, now = on_lte()
    core.step(Fetched(()), now)
    happened = run_until(core, now, now + METERED.return_s + 1)

    assert [effect for _, effect in happened if isinstance(effect, ResetSession)] == [
        ResetSession("to try the first link again")
    ]
    assert [effect.way for _, effect in happened if isinstance(effect, Connect)] == [0]


def test_a_metered_link_beyond_its_cap_carries_vital_alone() -> None:
    """What the connection carried counts; beyond the cap only vital batches are asked for and kept in flight."""
    core, now = on_lte()
    core.step(Fetched((of(1, Lane.NORMAL), of(2, Lane.VITAL))), now)
    core.step(Fetched(()), now)
    session = 4
    below = core.step(Carried(session, 6 * MB, 3 * MB), now)
    before = core.figures.in_flight
    core.step(Carried(session, 7 * MB, 3 * MB), now)
    asked = fetches(core.step(NewParcels(), now))

    assert [each.name for each in below if isinstance(each, Remember)] == [FACT + "lte"]
    assert (before, core.figures.in_flight) == (2, 1)
    assert asked[0].lanes == {Lane.VITAL}
    assert core.figures.carried == 10 * MB


def test_a_new_month_opens_a_metered_link() -> None:
    """With the month the count begins at nothing, and every lane passes again."""
    core, now = on_lte()
    core.step(Fetched(()), now)
    core.step(Carried(4, 11 * MB, 0), now)
    core.step(NewParcels(), now)
    core.step(Fetched(()), now)
    effects = core.step(TimeOfDay(2, 0), now + 1)

    assert core.figures.carried == 0
    assert fetches(effects)[0].lanes == LANES


def test_the_count_survives_restarts_and_never_falls_short() -> None:
    """A killed process finds at least what it had carried, and at most a chunk more, for each of its lives."""
    carried, facts = 0, {}
    for _ in range(5):
        core, now = on_lte(replace(METERED, facts=facts))
        assert core.figures.carried is not None
        assert carried <= core.figures.carried <= carried + 5 * CHUNK
        for step in range(1, 10):
            for effect in core.step(Carried(4, step * 50_000, step * 1_000), now):
                if isinstance(effect, Remember):
                    facts[effect.name] = effect.value
        carried += 9 * 51_000

    assert facts


# --- what looks well and is not --------------------------------------------------------------------------------------


def test_a_broker_that_keeps_nothing_is_named_within_a_minute() -> None:
    """Parcels go out and no word comes back: the fault has its name before the minute is over."""
    core = sending(batch(1))
    run_until(core, 0.0, 59.0)

    assert core.figures.fault == "no-receipts"


def test_parcels_that_alone_have_no_receipt_are_named() -> None:
    """HQ speaks, and one parcel waits all the same: that is another fault, and its receipt ends it."""
    core = sending(batch(1), batch(2))
    for second in range(1, 50):
        heard(core, receipt([batch(2)], 0), float(second))
        core.step(Fetched(()), float(second))
    late = core.figures.fault
    heard(core, receipt([batch(1)], 0), 50.0)

    assert late == "late-receipts"
    assert core.figures.fault == ""


def test_sessions_that_break_as_soon_as_something_is_sent_are_named() -> None:
    """A broker that ends the session at every batch is told from one that is away."""
    core, now = Uplink(PIN, SETTINGS, Random(1)), 0.0
    for _ in range(3):
        now = max(now, core.due(now))
        (connect,) = core.step(Tick(), now)
        assert isinstance(connect, Connect)
        core.step(LinkUp(connect.session), now)
        core.step(Fetched((batch(1),)), now + 0.05)
        core.step(Fetched(()), now + 0.05)
        assert core.figures.fault == ""
        core.step(LinkDown(connect.session, "closed"), now + 0.1)

    assert core.figures.fault == "sessions-break"


def test_headquarters_database_takes_no_fleet_down() -> None:
    """A day without receipts on a link that is up begins sessions anew and never the process."""
    core = sending(batch(1))
    now, resets = 0.0, 0
    while now < 86_400:
        now = max(now, core.due(now))
        for effect in core.step(Tick(), now):
            assert not isinstance(effect, Restart)
            if isinstance(effect, Connect):
                core.step(LinkUp(effect.session), now)
                core.step(Fetched((batch(1),)), now)
            elif isinstance(effect, Fetch):
                core.step(Fetched(()), now)
            resets += isinstance(effect, ResetSession)

    assert 10 < resets < 40


def test_without_any_broker_the_process_is_begun_anew_at_most_hourly() -> None:
    """Two hours and more lie between restarts, and boxes that lost their broker together do not restart together."""
    firsts = set()
    for seed in range(20):
        core, now = Uplink(PIN, SETTINGS, Random(seed)), 0.0
        restarts = []
        while now < 86_400:
            now = max(now, core.due(now))
            for effect in core.step(Tick(), now):
                if isinstance(effect, Connect):
                    core.step(LinkDown(effect.session, "refused"), now)
                elif isinstance(effect, Restart):
                    restarts.append(now)
        assert 7 <= len(restarts) <= 12
        assert all(after - before >= 3_600 for before, after in pairwise(restarts))
        firsts.add(round(restarts[0] / 60))

    assert len(firsts) > 10


def test_what_headquarters_announced_is_remembered() -> None:
    """The span of reconnects is kept for the next start once, and used by it."""
    core = sending()
    pace = word(Kind.PACE, Pace(0, 0, 77))
    later = Uplink(PIN, replace(SETTINGS, facts={"spread_s": 3_000}), Random(1))
    later.step(Tick(), 0.0)

    assert heard(core, pace, 1.0) == [Remember("spread_s", 77)]
    assert heard(core, pace, 2.0) == []
    assert later.due(0.0) > 5.0


def test_a_followed_root_is_remembered() -> None:
    """A succession that the pinned root signed is told once, and the new root's receipts count from then on."""
    successor = Ed25519PrivateKey.from_private_bytes(bytes([8]) * 32)
    link = succession.issue(ROOT, 1, successor.public_key())
    by = signer(successor, Usage.RECEIPTS, 9, 3)
    core = sending(batch(1))
    said = by.seal(Kind.SUCCESSION, Succession(0, link.raw), FINGERPRINT)

    assert heard(core, said, 1.0) == [RememberRoot(successor.public_key().public_bytes_raw())]
    assert heard(core, said, 2.0) == []


def test_an_answer_goes_now_or_never() -> None:
    """What HQ asked for is answered while the link is up."""
    core = sending()
    up = core.step(Reply(b"not held"), 1.0)
    core.step(LinkDown(1, "cut"), 100.0)

    assert up == [Publish(Up.ANSWER, b"not held")]
    assert not [each for each in core.step(Reply(b"late"), 100.0) if isinstance(each, Publish)]
