"""The console's words, figures and colours: complete in both languages, legible in both schemes."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import msgspec
import pytest

import hq.console
from hq.console import figures, words
from hq.console.summary import says, summary
from hq.console.words import Words
from hq.fleet import State
from records import RECORD_TYPES, Lane, RecordType, types

FOLDER = Path(hq.console.__file__).parent
CSS = (FOLDER / "static" / "console.css").read_text()
EN, ZH = Words("en"), Words("zh")


@pytest.mark.parametrize("key", words.keys())
def test_both_languages_say_the_same(key: str) -> None:
    """Each word has an English and a Chinese text that name the same values."""
    english, chinese = words.keys()[key]
    assert english
    assert chinese
    assert _values(english) == _values(chinese)


def _values(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_templates_use_only_words_that_exist() -> None:
    """Every key that a template or module names is in the dictionary."""
    used = {
        key
        for path in [*FOLDER.rglob("*.html"), *FOLDER.glob("*.py")]
        for key in re.findall(r"""\bwords\(\s*"([\w.]+)\"""", path.read_text())
    }
    assert len(used) > 50
    assert used <= set(words.keys())


def test_every_type_lane_and_state_has_a_word() -> None:
    """What the vocabulary can name, the console can say."""
    named = {*RECORD_TYPES, *(lane.name.lower() for lane in Lane), *State}
    assert named <= set(words.keys())


def test_no_text_is_written_in_a_template() -> None:
    """Templates hold markup; what people read comes from the dictionary, save the product's name."""
    for path in FOLDER.rglob("*.html"):
        bare = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}|<code>.*?</code>|<[^>]*>", " ", path.read_text(), flags=re.DOTALL)
        assert not re.findall(r"[A-Za-z\u4e00-\u9fff]{2,}", bare.replace("store-edge", "")), path.name


@pytest.mark.parametrize("kind", RECORD_TYPES.values(), ids=lambda kind: kind.name)
def test_every_record_type_has_a_summary(kind: RecordType) -> None:
    """No type falls back to saying nothing."""
    assert says.dispatch(kind.struct) is not says.dispatch(msgspec.Struct)


def test_a_summary_is_short_and_plain() -> None:
    """What a record says is a few words in the reader's language."""
    line = types.SaleLine(line=1, kind="sale")
    sale = types.PosSale(
        source_id="1",
        transaction_id="1",
        currency="CNY",
        total=Decimal("-1234.5"),
        lines=(line, line),
        tenders=(types.Tender(kind="cash"), types.Tender(kind="gift-9")),
    )
    assert summary(sale, EN) == "−CN¥1,234.50, 2 lines, cash + gift-9"
    assert summary(sale, ZH) == "−¥1,234.50，2 行，现金 + gift-9"
    assert summary(types.PaymentCode(scheme="wechat"), ZH) == "微信支付，码本身不保存"
    assert summary(types.TempAmbient(), EN) == "–"
    assert len(summary(types.Quarantine(device="d", reason="x" * 500), EN)) == 80


@pytest.mark.parametrize(
    ("amount", "currency", "english", "chinese"),
    [
        ("0", "CNY", "CN¥0.00", "¥0.00"),
        ("1234567.1", "USD", "$1,234,567.10", "US$1,234,567.10"),
        ("0.125", "EUR", "€0.125", "€0.125"),
        ("5", "JPY", "¥5", "JP¥5"),
        ("-3.00", "SEK", "−SEK\u00a03.00", "−SEK\u00a03.00"),
        ("7", None, "7.00", "7.00"),
        ("1E+3", "CNY", "CN¥1,000.00", "¥1,000.00"),
        ("123456789012345678901234567890.12", None, "123,456,789,012,345,678,901,234,567,890.12", None),
    ],
)
def test_money_is_exact(amount: str, currency: str | None, english: str, chinese: str | None) -> None:
    """No digit of an amount is lost, whatever its size."""
    assert figures.money(Decimal(amount), currency, "en") == english
    if chinese:
        assert figures.money(Decimal(amount), currency, "zh") == chinese


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (-5, "0 s", "0 秒"),
        (59.9, "59 s", "59 秒"),
        (60, "1 min", "1 分钟"),
        (7_200, "2 h", "2 小时"),
        (7_500, "2 h 5 min", "2 小时 5 分钟"),
        (200_000, "2 d", "2 天"),
    ],
)
def test_ages_are_short(seconds: float, english: str, chinese: str) -> None:
    """An age is told in the largest units that matter."""
    assert (figures.age(seconds, EN), figures.age(seconds, ZH)) == (english, chinese)


def test_a_clock_that_is_off_is_told() -> None:
    """Under a second is right; more is fast or slow; unknown is a dash."""
    told = [figures.skew(ms, EN) for ms in (None, 400, 90_000, -5_000)]
    assert told == ["–", "right", "1 min fast", "5 s slow"]


def test_exact_times_carry_their_offset() -> None:
    """A store time names its distance from UTC, also behind it and at half hours."""
    at = figures.datetime(2026, 11, 21, 3, 0, tzinfo=figures.UTC)
    told = [figures.exact(at, ZoneInfo(zone)) for zone in ("Asia/Shanghai", "Asia/Kolkata", "America/St_Johns")]
    assert told == [
        "2026-11-21 11:00:00 (UTC+08:00)",
        "2026-11-21 08:30:00 (UTC+05:30)",
        "2026-11-20 23:30:00 (UTC-03:30)",
    ]


def _tokens(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css))


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("text", ["text", "muted", "accent", "ok", "late", "lost", "never", "info"])
def test_text_can_be_read_on_every_ground(scheme: str, text: str) -> None:
    """Each colour of text has contrast 4.5 or better on each ground, by day and by night."""
    light, dark = CSS.split("@media (prefers-color-scheme: dark)", 1)
    tokens = _tokens(light) | (_tokens(dark) if scheme == "dark" else {})
    assert set(_tokens(dark)) == set(_tokens(light))
    for ground in ("surface", "raised", "accent-tint", "late-tint", "lost-tint"):
        bright, dim = sorted((_luminance(tokens[text]), _luminance(tokens[ground])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (text, ground)
