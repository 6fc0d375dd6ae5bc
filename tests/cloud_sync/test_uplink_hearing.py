from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.uplink.messages import (
    Connect,
    Downlink,
    Effect,
    FetchHeaders,
    LinkDown,
    Ordered,
    Receipted,
    Refused,
    RememberLowest,
    ResendWanted,
)
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import Hold, Kind, Message, Order, Pace, Receipt, Refusal, Resend, Signer
from tests.cloud_sync.uplink_parts import (
    FINGERPRINT,
    ROOT,
    batch,
    heard,
    receipt,
    sending,
    signer,
    word,
)

STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
RANGE = (bytes(16), bytes([7]) * 16, 0, 5, 9)
ORDER = Order(1, 2, "rotate", b"x")


WORDS: list[tuple[str, Kind, Message, list[Effect]]] = [
    ("receipt", Kind.RECEIPT, Receipt(0, bytes(32)), [Receipted((bytes(16), bytes(16)))]),
    ("empty receipt", Kind.RECEIPT, Receipt(0, b""), []),
    ("hold", Kind.HOLD, Hold(0, bytes(16)), [FetchHeaders((bytes(16),))]),
    ("empty hold", Kind.HOLD, Hold(0, b""), []),
    ("refusal", Kind.REFUSAL, Refusal(0, bytes(16), "rot"), [Refused((bytes(16),), "rot")]),
    ("pace", Kind.PACE, Pace(0, 10, 0), []),
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
