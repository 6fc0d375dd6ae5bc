"""Card numbers are found wherever they stand, and what only looks like one stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.cleaning.cards import gtin_holds, is_card, luhn_holds, mask_cards
from edge_agent.cleaning.text import mask, mask_bytes
from tests.samples import SHARED, needs_samples

BRANDS = [
    ("4", 13), ("4", 16), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15),
    ("620", 16), ("622", 17), ("625", 18), ("622202", 19), ("9558", 19), ("3530", 16), ("3000", 14), ("36", 14),
    ("38", 14), ("6011", 16), ("65", 16), ("6304", 16), ("5018", 16), ("2200", 16),
]  # fmt: skip
TEXTS = [
    "{}",
    "card {}",
    "卡号:{}",
    "Card No. {} exp",
    "paid with {}, thanks",
    "x{}y",
    "¥12.50 {} 2 pcs",
    "<PAN>{}</PAN>",
]


def card(rng: Random, begin: str, length: int) -> str:
    body = begin + "".join(str(rng.randrange(10)) for _ in range(length - len(begin) - 1))
    return next(body + str(last) for last in range(10) if luhn_holds(body + str(last)))


def cards(count: int) -> Iterator[str]:
    """Made-up numbers; one that is also a GTIN is left to the words around it."""
    rng = Random(11)
    made = 0
    while made < count:
        number = card(rng, *rng.choice(BRANDS))
        if not gtin_holds(number):
            made += 1
            yield number


def grouped(number: str, separator: str) -> str:
    if len(number) == 15:
        return separator.join((number[:4], number[4:10], number[10:]))
    if len(number) == 14:
        return separator.join((number[:4], number[4:10], number[10:]))
    return separator.join(re.findall(".{1,4}", number))


def hidden(number: str, text: str) -> bool:
    """Whether all digits of `number` but the first 6 and the last 4 are stars in `text`."""
    digits = re.sub(r"[^0-9*]", "", text)
    return number[:6] + "*" * (len(number) - 10) + number[-4:] in digits


def test_ten_thousand_cards_are_masked_wherever_they_stand() -> None:
    """13 to 19 digits of every brand, plain and in groups, alone and within text and other digits."""
    rng = Random(12)
    shown = []
    for number in cards(10_000):
        written = rng.choice([number, *(grouped(number, separator) for separator in " -.\u00a0")])
        text = rng.choice(TEXTS).format(written)
        if not hidden(number, mask(text)):
            shown.append(text)

    assert shown == []


def test_first_six_and_last_four_stay() -> None:
    """The separators stay too, so that a receipt keeps its shape."""
    assert mask("4111 1111 1111 1111") == "4111 11** **** 1111"
    assert mask("卡号6222021234567890128") == "卡号622202*********0128"
    assert mask("378282246310005") == "378282*****0005"


def test_a_card_that_is_also_an_article_goes_by_the_word_before_it() -> None:
    """13 digits with both check digits right are an article, but not behind a word for a card."""
    rng = Random(3)
    both = next(number for number in iter(lambda: card(rng, "4", 13), "") if gtin_holds(number))

    assert mask(f"item {both}") == f"item {both}"
    assert both not in mask(f"card {both}")


def test_track_data_goes() -> None:
    """Name, expiry, service code and discretionary data with it."""
    one = "%B4111111111111111^DOE/JOHN^25121010000000000?"
    two = ";4111111111111111=25121010000012300000?"
    for track in (one, two, one + two, f"swipe:{two}"):
        masked = mask(track)
        assert "411111******1111" in masked
        for secret in ("DOE", "2512", "123000", "4111111"):
            assert secret not in masked


def test_an_expiry_beside_a_card_goes() -> None:
    """Within reach of the number, or where its own name says what it is."""
    assert mask("4111111111111111 EXP 12/27") == "411111******1111 EXP **/**"
    assert "2012-12" not in mask("<PrimaryAccountNumber>****************</X><ExpirationDate>2012-12</ExpirationDate>")
    assert mask("milk best before 12/27, lot 4111") == "milk best before 12/27, lot 4111"


@pytest.mark.parametrize(
    "text",
    [
        "<IKEA:DiscountReference>6275980230292499398</IKEA:DiscountReference>",
        "376130321109103421",
        '{"order_id": "4111111111111111"}',
        "Ref. 4111111111111111",
        "RefNo:4111111111111111",
        "订单号:4111111111111111",
        "4.00 12.50 123.45 1234.56 88.00",
        "2026-11-21 09:00:00 138-1234-5678",
        "6901234567892",
        "4006381333931",
        "20260706000012345678901234567890",
    ],
)
def test_what_only_looks_like_a_card_stays(text: str) -> None:
    """References, parcels, orders, columns of amounts, dates, articles."""
    assert mask(text) == text


def test_an_order_before_a_card_hides_nothing() -> None:
    """A word for an order speaks only for the number directly behind it."""
    assert "4111111111111111" not in mask("Order 12 paid 4111111111111111")
    assert "4111111111111111" not in mask("order card 4111111111111111")


def test_a_refund_is_no_reference() -> None:
    """Words that only begin like one hide nothing."""
    assert mask("Refund 4111111111111111") == "Refund 411111******1111"
    assert mask("refused: 4111-1111-1111-1111") == "refused: 4111-11**-****-1111"


@given(st.text(alphabet="0123456789 -./=^%B;卡号 order:", max_size=80))
def test_masking_keeps_shape_and_is_stable(text: str) -> None:
    """Masking again changes nothing, and without tracks the length stays."""
    once = mask_cards(text)
    assert mask_cards(once) == once
    if "=" not in text and "^" not in text:
        assert len(once) == len(text)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_masked(raw: bytes) -> None:
    """Quarantined bytes are no text at all, often."""
    mask_bytes(raw)


def test_a_payment_code_in_text_is_starred() -> None:
    """Whole, since none of its digits may be kept."""
    assert mask("auth 134605723733336326 ok") == "auth ****************** ok"
    assert mask("流水号:134605723733336326") == "流水号:134605723733336326"


@needs_samples
def test_hardly_any_number_of_the_samples_is_masked() -> None:
    """Of the long numbers in real tills' files and barcode vectors, fewer than one in a thousand."""
    assert SHARED
    numbers: set[str] = set()
    for file in [
        *SHARED.glob("samples/pos_*/*"),
        *SHARED.glob("samples/barcode/*.json"),
        *SHARED.glob("retail-data/*.csv"),
    ]:
        numbers |= set(re.findall(r"(?<![0-9])[0-9]{8,24}(?![0-9])", file.read_text("latin-1")))
    masked = {number for number in numbers if mask_cards(number) != number}

    assert len(numbers) > 500
    assert masked <= {"6275980230292499398"}  # which stands behind a word for a reference there


def test_articles_of_every_prefix_stay() -> None:
    """None of ten thousand made-up EAN-13 is taken for a card."""
    rng = Random(5)
    eans = {code for code in (f"{rng.randrange(10**13):013d}" for _ in range(200_000)) if gtin_holds(code)}
    masked = sum(mask(code) != code for code in eans)

    assert len(eans) > 10_000
    assert masked == 0


@needs_samples
def test_the_poslog_of_a_real_till_keeps_its_reference_and_loses_its_expiry() -> None:
    """The whole file as it would stand in quarantine."""
    assert SHARED
    text = (SHARED / "samples/pos_poslog/wincor_ikea_v2.2_pt_2015_abridged.xml").read_text()
    masked = mask(text)

    assert "6275980230292499398" in masked
    assert "2012-12" not in masked
    assert masked.replace("*", "") == text.replace("*", "").replace("2012-12", "")


def test_is_card_knows_brands_lengths_and_sums() -> None:
    """A right sum alone makes no card."""
    assert is_card("4111111111111111")
    assert not is_card("4111111111111112")
    assert not is_card("1234567812345670")
    assert not is_card("376130321109103421")


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "gb18030"])
def test_bytes_are_masked_in_whatever_encoding_a_till_has(encoding: str) -> None:
    """Wide spaces between the digits, and Chinese words for a card before odd groupings; all else stays as it was."""
    for number in cards(300):
        for text in ("卡号：{}\n", "合计 12.50\n{}\n谢谢"):
            raw = text.format(grouped(number, "\u3000")).encode(encoding)
            assert hidden(number, mask_bytes(raw).decode(encoding).replace("12.50", "")), raw
        odd = f"银行卡号 {number[:3]} {number[3:9]} {number[9:]}".encode(encoding)
        assert hidden(number, mask_bytes(odd).decode(encoding)), odd
        assert len(mask_bytes(odd)) == len(odd)


@given(
    raw=st.lists(
        st.sampled_from([*(bytes((byte,)) for byte in b"0169 \x81\xa1\xbf\xa8\xe3\x80\xfe"), b"\xa1\xa1"])
    ).map(b"".join)
)
def test_masking_bytes_changes_digits_alone(raw: bytes) -> None:
    """Whatever the bytes are in, and however they are broken."""
    masked = mask_bytes(raw)
    assert len(masked) == len(raw)
    assert all(was == now or (was in b"0123456789" and now == ord("*")) for was, now in zip(raw, masked, strict=True))
