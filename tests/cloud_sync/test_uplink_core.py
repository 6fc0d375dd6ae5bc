from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.messages import (
    Connect,
    Downlink,
    Event,
    Fetch,
    Fetched,
    FetchHeaders,
    Headers,
    LinkDown,
    LinkUp,
    NewParcels,
    Publish,
    Receipted,
    ResetSession,
    Say,
    Tick,
)
from cloud_sync.uplink.settings import Settings
from cloud_sync.wire.downlink import Hold, Kind, Pace
from cloud_sync.wire.topics import Up
from tests.cloud_sync.uplink_parts import (
    PIN,
    SETTINGS,
    MemoryOutbox,
    asked,
    batch,
    header,
    heard,
    parcel,
    publishes,
    receipt,
    run_until,
    sending,
    started,
    word,
)


def test_headers_go_before_batches() -> None:
    """Whatever order the disk gives, an epoch's header leaves before the batches."""
    effects = started().step(Fetched((batch(1), header(1), batch(2))), 0.0)

    assert publishes(effects) == [header(1), batch(1), batch(2)]


def test_headers_go_again_before_batches() -> None:
    """No batch is sent again ahead of a header that has no receipt either, and the header goes once for all of them."""
    for seed in range(20):
        core = Uplink(PIN, SETTINGS, Random(seed))
        core.step(Tick(), 0.0)
        core.step(LinkUp(1), 0.0)
        core.step(Fetched((header(1), batch(1), batch(2), batch(3))), 0.0)
        again = [effect for _, effect in run_until(core, 0.0, SETTINGS.resend_s * 1.5 + 1)]

        assert publishes(again)[0] == header(1)
        assert Counter(publishes(again)) == Counter([header(1), batch(1), batch(2), batch(3)])


def test_a_full_window_asks_for_no_more() -> None:
    """With every batch's place taken nothing is fetched until a receipt makes room."""
    core = sending(batch(1), batch(2), batch(3), batch(4))
    full = core.step(NewParcels(), 1.0)
    effects = heard(core, receipt([batch(2)], 0), 2.0)

    assert full == []
    assert effects == [
        Receipted((batch(2).prefix,)),
        asked(1, 0, [batch(n) for n in (1, 3, 4)]),
    ]


def test_bytes_bound_the_window() -> None:
    """A batch that would exceed the bytes in flight waits for a receipt."""
    settings = Settings(headers=1, bytes=150_000, share=0, spread_s=0.0)
    big = [batch(n, 60_000) for n in range(4)]
    core = started(settings)
    first = core.step(Fetched(tuple(big)), 0.0)
    second = heard(core, receipt(big[:1], 0), 1.0)

    assert publishes(first) == big[:2]
    assert publishes(second) == big[2:3]


def test_a_window_without_room_for_a_batch_is_refused() -> None:
    """Settings in which one whole batch could never be sent do not come to life."""
    with pytest.raises(ValueError, match="no room for one batch"):
        Settings(bytes=100_000)
    with pytest.raises(ValueError, match="headers 20"):
        Settings(headers=20)


def test_an_empty_disk_is_asked_again_on_news_or_after_a_while() -> None:
    """After an empty answer the next question comes with `NewParcels`, else with the poll."""
    core = sending()
    quiet = core.step(Tick(), 1.0)
    news = core.step(NewParcels(), 2.0)
    core.step(Fetched(()), 2.0)

    assert quiet == []
    assert news == [asked(4, 0)]
    assert core.due(2.0) == 2.0 + SETTINGS.poll_s
    assert core.step(Tick(), 2.0 + SETTINGS.poll_s) == [asked(4, 0)]


def test_news_during_a_question_is_not_lost() -> None:
    """What was cut after the disk had looked, and before the answer came, is asked for at once."""
    core = started()
    core.step(NewParcels(), 0.0)

    assert core.step(Fetched(()), 0.0) == [asked(4, 0)]


def test_a_disk_that_repeats_itself_is_not_asked_for_ever() -> None:
    """An answer with nothing but what is in flight counts as empty."""
    core = started()
    core.step(Fetched((batch(1),)), 0.0)

    assert core.step(Fetched((batch(1),)), 0.0) == []


def test_a_parcel_without_receipt_is_sent_again_at_growing_intervals() -> None:
    """The waits double from resend_s up to the cap, each stretched by at most half."""
    settings = replace(SETTINGS, hush_s=inf, silence_s=inf)
    core = sending(batch(1), settings=settings)
    again = [at for at, effect in run_until(core, 0.0, 3_000.0) if isinstance(effect, Publish)]
    waits = [after - before for before, after in zip([0.0, *again], again, strict=False)]

    assert len(waits) >= 8
    for wait, least in zip(waits, [15, 30, 60, 120, 240, 300, 300, 300], strict=False):
        assert least <= wait <= least * 1.5


def test_while_headquarters_is_silent_one_parcel_asks_for_all() -> None:
    """In the hush one parcel goes again per interval, each in its turn; HQ's first word brings the rest."""
    parcels = [header(1), header(2), batch(1), batch(2)]
    core = sending(*parcels, settings=replace(SETTINGS, silence_s=inf))
    sent = [(at, e) for at, e in run_until(core, 0.0, 7_200.0) if isinstance(e, Publish)]
    hushed = [(at, e) for at, e in sent if at > SETTINGS.hush_s]
    effects = heard(core, receipt(parcels[:1], 0), 7_200.0)

    assert 7_080 / 450 - 1 <= len(hushed) <= 7_080 / 300 + 1
    assert set(publishes([effect for _, effect in hushed])) == set(parcels)
    turns = Counter(publishes([effect for _, effect in sent]))
    assert max(turns.values()) - min(turns.values()) <= 1
    assert set(parcels[1:]) - set(publishes([hushed[-1][1]])) <= set(publishes(effects))


def test_silence_begins_a_new_session_at_growing_intervals() -> None:
    """Parcels in flight and no word for long: a new session, and each time the patience doubles up to the cap."""
    core = sending(batch(1), settings=replace(SETTINGS, ways=("wired", "wired")))
    now, resets, brokers = 0.0, [], []
    while now < 20_000:
        now = max(now, core.due(now))
        for effect in core.step(Tick(), now):
            if isinstance(effect, Connect):
                brokers.append(effect.way)
                core.step(LinkUp(effect.session), now)
                core.step(Fetched((batch(1),)), now)
            elif isinstance(effect, Fetch):
                core.step(Fetched(()), now)
            elif isinstance(effect, ResetSession):
                resets.append(now)
                assert "no word from headquarters" in effect.why
    waits = [after - before for before, after in zip([0.0, *resets], resets, strict=False)]

    assert brokers[:3] == [1, 0, 1]
    for wait, least in zip(waits, [600, 1200, 2400, 3600, 3600], strict=False):
        assert least <= wait <= least * 1.5 + 1


def test_an_idle_link_is_left_alone() -> None:
    """With nothing in flight no silence of HQ ends the session."""
    core = sending()

    assert not [effect for _, effect in run_until(core, 0.0, 100_000.0) if not isinstance(effect, Fetch)]


def test_a_link_that_breaks_leaves_it_all_to_the_disk() -> None:
    """What was in flight is forgotten and asked for anew in the next session."""
    core = sending(batch(1), batch(2))

    assert core.step(LinkDown(1, "cut"), 100.0) == [Connect(2, 0)]
    assert core.figures.resends == 2
    assert (core.figures.why, core.figures.up_since) == ("cut", None)
    assert core.step(LinkUp(2), 101.0) == [asked(4, None)]


def test_what_waited_for_room_is_forgotten_with_the_link() -> None:
    """Parcels fetched and not yet sent are asked for anew too, since the disk may have dropped them meanwhile."""
    core = sending(batch(1), batch(2), batch(3), batch(4))
    heard(core, receipt([batch(1), batch(2)], 0), 1.0)
    core.step(Fetched((batch(5), batch(6), batch(7))), 1.0)
    core.step(LinkDown(1, "cut"), 100.0)

    assert core.step(LinkUp(2), 101.0) == [asked(4, None)]


def test_an_idle_night_is_no_silence() -> None:
    """The first parcel after hours without any is sent again like every other, and costs no session."""
    core = sending()
    core.step(NewParcels(), 50_000.0)
    core.step(Fetched((batch(1), batch(2))), 50_000.0)
    core.step(Fetched(()), 50_000.0)
    happened = [effect for _, effect in run_until(core, 50_000.0, 50_023.0) if not isinstance(effect, Fetch)]

    assert not any(isinstance(effect, ResetSession) for effect in happened)
    assert set(publishes(happened)) == {batch(1), batch(2)}


def test_a_late_word_of_an_earlier_session_is_ignored() -> None:
    """`LinkDown` and `LinkUp` of a session that is over change nothing."""
    core = sending(batch(1))
    core.step(LinkDown(1, "cut"), 100.0)

    assert core.step(LinkUp(1), 101.0) == []
    assert core.step(LinkDown(1, "again"), 101.0) == []
    assert core.figures.why == "cut"
    assert core.step(LinkUp(2), 101.0) == [asked(4, None)]


def test_an_answer_that_comes_after_the_link_broke_is_dropped() -> None:
    """Parcels fetched for a session that is over are not sent in it nor kept."""
    core = started()
    core.step(LinkDown(1, "cut"), 0.5)

    assert publishes(core.step(Fetched((batch(1),)), 0.5)) == []
    now = core.due(0.5)
    core.step(Tick(), now)
    assert core.step(LinkUp(2), now) == [asked(4, None)]


def test_pace_slows_batches_and_not_headers() -> None:
    """At 100 bytes a second a batch of 100 goes each second; a header does not wait."""
    core = started()
    heard(core, word(Kind.PACE, Pace(0, 100, 0)), 0.0)
    parcels = [batch(n) for n in range(3)]
    sent = [(0.0, each) for each in publishes(core.step(Fetched((*parcels, header(1))), 0.0))]
    sent += [(at, each) for at, e in run_until(core, 0.0, 10.0) for each in publishes([e])]

    assert sent[0] == (0.0, header(1))
    assert [each for _, each in sent[1:]] == parcels
    assert [round(at, 1) for at, _ in sent[1:]] == [0.2, 1.2, 2.2]


def test_a_heartbeat_goes_now_or_never() -> None:
    """It is published while the link is up and dropped while it is not."""
    core = sending()
    up = core.step(Say(b"alive"), 1.0)
    core.step(LinkDown(1, "cut"), 100.0)

    assert up == [Publish(Up.HEARTBEAT, b"alive")]
    assert Publish(Up.HEARTBEAT, b"late") not in core.step(Say(b"late"), 100.0)


def test_a_window_full_of_held_batches_lets_their_header_pass() -> None:
    """When HQ holds every batch in flight for want of a header, the header goes at once, beside the batches."""
    core = sending(batch(1), batch(2), batch(3), batch(4))
    asked = heard(core, word(Kind.HOLD, Hold(0, (1).to_bytes(16) * 2)), 1.0)
    sent = core.step(Headers((header(1),)), 1.0)
    soon = core.step(Headers((header(1),)), 2.0)
    later = core.step(Headers((header(1),)), 5.0)

    assert asked == [FetchHeaders(((1).to_bytes(16),))]
    assert publishes(sent) == [header(1)]
    assert publishes(soon) == []
    assert publishes(later) == [header(1)]


def test_what_headquarters_holds_gives_way_to_what_it_takes() -> None:
    """More batches than there are places, of an epoch that HQ cannot open: all others go, and those again later."""
    epoch = b"e" * 16
    sealed = [parcel(Up.BATCH, b"SEB1\x01\x00\x00\x01" + epoch + bytes([number])) for number in range(20)]
    others = [batch(number) for number in range(20)]
    outbox = MemoryOutbox([*sealed, *others])
    core, now, held_at = started(), 0.0, list[float]()
    answers: list[Event] = [outbox.fetch(asked(SETTINGS.shared_parcels, None))]
    while now < 3_600:
        event = answers.pop(0) if answers else Tick()
        for effect in core.step(event, now):
            match effect:
                case Fetch():
                    answers.append(outbox.fetch(effect))
                case Publish(_, payload) if payload[:4] == b"SEB1":
                    held_at.append(now)
                    answers.append(Downlink(word(Kind.HOLD, Hold(0, epoch)), 0))
                case Publish(what, payload):
                    answers.append(Downlink(receipt([parcel(what, payload)], 0), 0))
                case FetchHeaders():
                    answers.append(Headers(()))
                case Receipted(prefixes):
                    outbox.receipted(prefixes)
        now = now if answers else max(now + 0.5, core.due(now))

    assert set(outbox.held) == {each.prefix for each in sealed}
    assert core.figures.fault == "late-receipts"
    assert held_at[-1] > 3_000


@given(st.lists(st.sampled_from(list(range(9))), max_size=60), st.integers(0, 2**16))
def test_no_order_of_events_breaks_the_machine(choices: list[int], seed: int) -> None:
    """Events in any order, senseless ones too, raise nothing, and the machine never wants to be woken in the past."""
    core = Uplink(PIN, SETTINGS, Random(seed))
    random = Random(seed)
    events: list[Event] = [
        Tick(),
        LinkUp(1),
        LinkUp(2),
        LinkDown(1, "cut"),
        LinkDown(2, "cut"),
        NewParcels(),
        Fetched((batch(1), batch(2), header(1))),
        Headers((header(1), header(2))),
        Downlink(receipt([batch(1), header(1)], 0), 0),
    ]
    now = 0.0
    for choice in choices:
        now += random.expovariate(1 / 20)
        effects = core.step(events[choice], now)
        idle = not any(isinstance(effect, ResetSession) for effect in effects)
        assert core.due(now) > now or not idle or core.figures.up_since is None
        assert core.figures.in_flight <= SETTINGS.parcels
