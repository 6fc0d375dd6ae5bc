from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.messages import (
    Connect,
    Downlink,
    Effect,
    Event,
    Fetch,
    Fetched,
    FetchHeaders,
    Headers,
    LinkDown,
    LinkUp,
    NewParcels,
    Ordered,
    Parcel,
    Publish,
    Receipted,
    Refused,
    RememberLowest,
    ResendWanted,
    ResetSession,
    Say,
    Tick,
)
from cloud_sync.uplink.settings import Settings
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import Hold, Kind, Message, Order, Pace, Receipt, Refusal, Resend, Signer
from cloud_sync.wire.topics import Up
from tests.cloud_sync.uplink_parts import FINGERPRINT, PIN, ROOT, batch, header, parcel, receipt, signer, word

SETTINGS = Settings(parcels=6, headers=2, spread_s=0.0)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
RANGE = (bytes(16), bytes([7]) * 16, 0, 5, 9)
ORDER = Order(1, 2, "rotate", b"x")


def started(settings: Settings = SETTINGS) -> Uplink:
    """An uplink whose first session is up since second 0 and that waits for the answer to its first `Fetch`."""
    core = Uplink(PIN, settings, Random(1))
    assert core.step(Tick(), 0.0) == [Connect(1, 0)]
    assert core.step(LinkUp(1), 0.0) == [Fetch(frozenset(), settings.batch_parcels)]
    return core


def sending(*parcels: Parcel, settings: Settings = SETTINGS) -> Uplink:
    """The same with these parcels in flight since second 0 and an empty disk."""
    core = started(settings)
    effects = core.step(Fetched(parcels), 0.0)
    assert publishes(effects) == list(parcels)
    if any(isinstance(effect, Fetch) for effect in effects):
        core.step(Fetched(()), 0.0)
    return core


def publishes(effects: list[Effect]) -> list[Parcel]:
    return [parcel(effect.what, effect.payload) for effect in effects if isinstance(effect, Publish)]


def heard(core: Uplink, raw: bytes, now: float) -> list[Effect]:
    return core.step(Downlink(raw, 1_000_000), now)


def run_until(core: Uplink, start: float, end: float) -> list[tuple[float, Effect]]:
    """What happens by time alone, the disk being empty."""
    happened: list[tuple[float, Effect]] = []
    now = start
    while (now := max(now, core.due(now))) < end:
        effects = core.step(Tick(), now)
        happened += [(now, effect) for effect in effects]
        if any(isinstance(effect, Fetch) for effect in effects):
            assert core.step(Fetched(()), now) == []
        if not any(isinstance(effect, ResetSession) for effect in effects):
            assert core.due(now) > now, f"busy at {now} after {effects}"
    return happened


def test_headers_go_before_batches() -> None:
    """Whatever order the disk gives, an epoch's header leaves before the batches."""
    effects = started().step(Fetched((batch(1), header(1), batch(2))), 0.0)

    assert publishes(effects) == [header(1), batch(1), batch(2)]


def test_a_full_window_asks_for_no_more() -> None:
    """With every batch's place taken nothing is fetched until a receipt makes room."""
    core = sending(batch(1), batch(2), batch(3), batch(4))
    full = core.step(NewParcels(), 1.0)
    effects = heard(core, receipt([batch(2)], 0), 2.0)

    assert full == []
    assert effects == [
        Receipted((batch(2).prefix,)),
        Fetch(frozenset(batch(n).digest for n in (1, 3, 4)), 1),
    ]


def test_bytes_bound_the_window() -> None:
    """A batch that would exceed the bytes in flight waits for a receipt."""
    settings = Settings(headers=1, bytes=150_000, spread_s=0.0)
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
    assert news == [Fetch(frozenset(), 4)]
    assert core.due(2.0) == 2.0 + SETTINGS.poll_s
    assert core.step(Tick(), 2.0 + SETTINGS.poll_s) == [Fetch(frozenset(), 4)]


def test_news_during_a_question_is_not_lost() -> None:
    """What was cut after the disk had looked, and before the answer came, is asked for at once."""
    core = started()
    core.step(NewParcels(), 0.0)

    assert core.step(Fetched(()), 0.0) == [Fetch(frozenset(), 4)]


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
    parcels = [batch(n) for n in range(4)]
    core = sending(*parcels, settings=replace(SETTINGS, silence_s=inf))
    hushed = [(at, e) for at, e in run_until(core, 0.0, 7_200.0) if isinstance(e, Publish) and at > SETTINGS.hush_s]
    effects = heard(core, receipt(parcels[:1], 0), 7_200.0)

    assert 7_080 / 450 - 1 <= len(hushed) <= 7_080 / 300 + 1
    assert {effect for _, effect in hushed} == {Publish(Up.BATCH, each.payload) for each in parcels}
    assert set(parcels[1:]) - set(publishes([hushed[-1][1]])) <= set(publishes(effects))


def test_silence_begins_a_new_session_at_growing_intervals() -> None:
    """Parcels in flight and no word for long: a new session, and each time the patience doubles up to the cap."""
    core = sending(batch(1), settings=replace(SETTINGS, brokers=2))
    now, resets, brokers = 0.0, [], []
    while now < 20_000:
        now = max(now, core.due(now))
        for effect in core.step(Tick(), now):
            if isinstance(effect, Connect):
                brokers.append(effect.broker)
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
    assert core.step(LinkUp(2), 101.0) == [Fetch(frozenset(), 4)]


def test_a_late_word_of_an_earlier_session_is_ignored() -> None:
    """`LinkDown` and `LinkUp` of a session that is over change nothing."""
    core = sending(batch(1))
    core.step(LinkDown(1, "cut"), 100.0)

    assert core.step(LinkUp(1), 101.0) == []
    assert core.step(LinkDown(1, "again"), 101.0) == []
    assert core.figures.why == "cut"
    assert core.step(LinkUp(2), 101.0) == [Fetch(frozenset(), 4)]


def test_an_answer_that_comes_after_the_link_broke_is_dropped() -> None:
    """Parcels fetched for a session that is over are not sent in it nor kept."""
    core = started()
    core.step(LinkDown(1, "cut"), 0.5)

    assert publishes(core.step(Fetched((batch(1),)), 0.5)) == []
    now = core.due(0.5)
    core.step(Tick(), now)
    assert core.step(LinkUp(2), now) == [Fetch(frozenset(), 4)]


def test_a_session_that_does_not_begin_is_given_up() -> None:
    """A broker that takes the connection and then says nothing costs connect_s."""
    core = Uplink(PIN, SETTINGS, Random(1))
    core.step(Tick(), 0.0)

    assert core.due(0.0) == 60.0
    assert core.step(Tick(), 60.0) == [ResetSession("the broker did not answer in time")]
    assert core.step(LinkUp(1), 60.0) == []


def test_the_first_attempt_is_spread() -> None:
    """First connections of many boxes fall evenly over the span."""
    delays = []
    for seed in range(200):
        core = Uplink(PIN, replace(SETTINGS, spread_s=60.0), Random(seed))
        core.step(Tick(), 1_000.0)
        delays.append(core.due(1_000.0) - 1_000.0)

    assert 0 <= min(delays) < 3
    assert 57 < max(delays) <= 60


def failing(core: Uplink, times: int) -> list[tuple[float, int]]:
    """(wait, broker) of attempts that all fail at once."""
    attempts, now = [], 0.0
    core.step(Tick(), now)
    for session in range(1, times + 1):
        core.step(LinkDown(session, "refused"), now)
        wait = core.due(now) - now
        if wait > 0:
            now += wait
            effects = core.step(Tick(), now)
            attempts += [(wait, effect.broker) for effect in effects if isinstance(effect, Connect)]
    return attempts


def test_attempts_back_off_to_two_minutes_with_full_jitter() -> None:
    """The bound of the wait doubles from 1 s to 120 s and every wait lies anywhere below it."""
    waits = [wait for wait, _ in failing(Uplink(PIN, SETTINGS, Random(4)), 400)]

    for number, wait in enumerate(waits[:7]):
        assert wait <= 2**number
    assert min(waits[20:]) < 5
    assert 115 < max(waits) <= 120


def test_brokers_are_tried_in_order() -> None:
    """After each failure the next address is tried, and the wait grows with each round."""
    attempts = failing(Uplink(PIN, replace(SETTINGS, brokers=3), Random(4)), 6)

    assert [broker for _, broker in attempts] == [1, 2, 0, 1, 2, 0]
    assert all(wait <= 1 for wait, _ in attempts[:3])


@pytest.mark.parametrize(("lived_s", "bound_s"), [(59.0, 64.0), (60.0, 0.0)])
def test_only_a_stable_session_resets_the_wait(lived_s: float, bound_s: float) -> None:
    """After six failures and a session of under a minute the wait goes on growing; after a minute it begins anew."""
    waits = []
    for seed in range(50):
        core = Uplink(PIN, SETTINGS, Random(seed))
        now = 0.0
        core.step(Tick(), now)
        for session in range(1, 7):
            core.step(LinkDown(session, "refused"), now)
            now = core.due(now)
            core.step(Tick(), now)
        core.step(LinkUp(7), now)
        core.step(LinkDown(7, "cut"), now + lived_s)
        waits.append(core.due(now + lived_s) - now - lived_s if core.figures.up_since is None else 0.0)

    assert max(waits) <= bound_s or bound_s == 0
    assert max(waits) > bound_s / 2 or bound_s == 0


def test_headquarters_sets_the_span() -> None:
    """A pace's spread_s spreads the next first attempt."""
    waits = []
    for seed in range(100):
        core = Uplink(PIN, SETTINGS, Random(seed))
        core.step(Tick(), 0.0)
        core.step(LinkUp(1), 0.0)
        heard(core, word(Kind.PACE, Pace(0, 0, 300)), 1.0)
        core.step(LinkDown(1, "cut"), 100.0)
        waits.append(core.due(100.0) - 100.0)

    assert 250 < max(waits) <= 300


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


WORDS: list[tuple[str, Kind, Message, list[Effect]]] = [
    ("receipt", Kind.RECEIPT, Receipt(0, bytes(32)), [Receipted((bytes(16), bytes(16)))]),
    ("empty receipt", Kind.RECEIPT, Receipt(0, b""), []),
    ("hold", Kind.HOLD, Hold(0, bytes(16)), [FetchHeaders((bytes(16),))]),
    ("empty hold", Kind.HOLD, Hold(0, b""), []),
    ("refusal", Kind.REFUSAL, Refusal(0, bytes(16), "rot"), [Refused((bytes(16),), "rot")]),
    ("pace", Kind.PACE, Pace(0, 10, 10), []),
    ("resend", Kind.RESEND, Resend(0, [RANGE]), [ResendWanted((RANGE,))]),
    ("command", Kind.COMMAND, ORDER, [Ordered(Kind.COMMAND, ORDER)]),
    ("configuration", Kind.CONFIG, ORDER, [Ordered(Kind.CONFIG, ORDER)]),
]


@pytest.mark.parametrize(("kind", "body", "effects"), [each[1:] for each in WORDS], ids=[each[0] for each in WORDS])
def test_what_each_word_of_headquarters_sets_off(kind: Kind, body: Message, effects: list[Effect]) -> None:
    """Each kind of envelope sets off its effect, while the link is up and after it broke."""
    core = sending()

    assert heard(core, word(kind, body), 1.0) == effects
    core.step(LinkDown(1, "cut"), 2.0)
    assert [effect for effect in heard(core, word(kind, body), 2.0) if not isinstance(effect, Connect)] == effects


def test_a_refused_parcel_leaves_the_window() -> None:
    """A refusal makes room like a receipt does."""
    core = sending(batch(1))
    heard(core, word(Kind.REFUSAL, Refusal(0, batch(1).prefix, "rot")), 1.0)

    assert core.figures.in_flight == 0


def test_the_skew_is_this_box_minus_headquarters() -> None:
    """A box whose clock is two seconds ahead of HQ's receipt says 2,000 ms."""
    core = sending()
    core.step(Downlink(receipt([batch(1)], 5_000_000), 7_000_000), 1.0)

    assert (core.figures.skew_ms, core.figures.last_receipt_us) == (2_000, 7_000_000)


def test_a_raised_lowest_serial_is_remembered_and_obeyed() -> None:
    """A certificate that demands a higher lowest serial is stored once, and older keys are believed no more."""
    core = sending()
    newer = signer(ROOT, Usage.RECEIPTS, 9, 8)
    raised = heard(core, newer.seal(Kind.RECEIPT, Receipt(0, bytes(16)), FINGERPRINT), 1.0)
    again = heard(core, newer.seal(Kind.RECEIPT, Receipt(0, bytes(16)), FINGERPRINT), 1.0)
    older = heard(core, word(Kind.RECEIPT, Receipt(0, bytes(16))), 1.0)

    assert raised == [RememberLowest(8), Receipted((bytes(16),))]
    assert again == [Receipted((bytes(16),))]
    assert older == []
    assert core.figures.forged == 1


GOOD = word(Kind.RECEIPT, Receipt(0, batch(1).prefix))
FORGERIES: dict[str, bytes] = {
    "empty": b"",
    "noise": bytes(range(256)),
    "too long": GOOD + bytes(70_000),
    "cut off": GOOD[:-1],
    "another box": signer(ROOT, Usage.RECEIPTS, 5, 3).seal(Kind.RECEIPT, Receipt(0, batch(1).prefix), bytes(32)),
    "another root": signer(STRANGER, Usage.RECEIPTS, 5, 3).seal(Kind.RECEIPT, Receipt(0, batch(1).prefix), FINGERPRINT),
    "another key": Signer(STRANGER, signer(ROOT, Usage.RECEIPTS, 5, 3).certificate).seal(
        Kind.RECEIPT, Receipt(0, batch(1).prefix), FINGERPRINT
    ),
    "an old serial": signer(ROOT, Usage.RECEIPTS, 2, 0).seal(Kind.RECEIPT, Receipt(0, batch(1).prefix), FINGERPRINT),
    "a receipt by operations": signer(ROOT, Usage.OPERATIONS, 5, 3).seal(
        Kind.RECEIPT, Receipt(0, batch(1).prefix), FINGERPRINT
    ),
    "a command by receipts": signer(ROOT, Usage.RECEIPTS, 5, 3).seal(Kind.COMMAND, ORDER, FINGERPRINT),
    "half a digest": word(Kind.RECEIPT, Receipt(0, batch(1).prefix + b"x")),
    "half an epoch": word(Kind.HOLD, Hold(0, b"x")),
    "a lane that is none": word(Kind.RESEND, Resend(0, [(bytes(16), bytes(16), 3, 0, 1)])),
    "a range backwards": word(Kind.RESEND, Resend(0, [(bytes(16), bytes(16), 0, 2, 1)])),
    "a wrong shape": word(Kind.RECEIPT, Pace(0, 1, 1)),
}


@pytest.mark.parametrize("raw", FORGERIES.values(), ids=FORGERIES)
def test_forged_and_malformed_envelopes_change_nothing(raw: bytes) -> None:
    """They are counted; nothing is settled, sent, asked or remembered."""
    core = sending(batch(1))
    before = core.figures

    assert heard(core, raw, 1.0) == []
    assert core.figures == before._replace(forged=1)
    assert heard(core, GOOD, 1.0) == [Receipted((batch(1).prefix,))]


@given(st.binary(max_size=400) | st.binary(max_size=300).map(lambda tail: GOOD[:5] + tail))
def test_noise_on_the_downlink_changes_nothing(raw: bytes) -> None:
    """Random bytes, with a true beginning or without, have no effect."""
    core = sending(batch(1))

    assert heard(core, raw, 1.0) == []
    assert core.figures.in_flight == 1


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_flipped_byte_spoils_the_envelope(at: int, flip: int) -> None:
    """No byte of an envelope can change without the whole being disbelieved."""
    core = sending(batch(1))
    raw = GOOD[:at] + bytes([GOOD[at] ^ flip]) + GOOD[at + 1 :]

    assert heard(core, raw, 1.0) == []
    assert core.figures.in_flight == 1


@given(
    st.sampled_from([each for each in Kind if each < Kind.COMMAND]),
    st.recursive(st.none() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=9), st.lists),
)
def test_a_signed_body_of_any_shape_is_harmless(kind: Kind, body: object) -> None:
    """Even what HQ's own key signed is obeyed or counted, and never raises."""
    core = sending(batch(1))
    effects = heard(core, signer(ROOT, Usage.RECEIPTS, 5, 3).seal(kind, body, FINGERPRINT), 1.0)  # type: ignore[arg-type]

    assert effects == [] or core.figures.forged == 0


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
