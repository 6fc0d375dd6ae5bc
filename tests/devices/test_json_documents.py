"""JSON documents back to back: each is found, however the bytes come in."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from devices.json_documents import MAX_DOCUMENT, Document, Documents, Fault
from tests.devices.cases import pieces_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.lists(st.lists(VALUES, max_size=3) | st.dictionaries(st.text(max_size=6), VALUES), max_size=5)
NOISE = st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b'{"a": "\\\\"}', b"{[}", b'"', b"\\", b"[1]"])))


def found(pieces: list[bytes]) -> list[Document | Fault]:
    documents = Documents()
    return [one for piece in pieces for one in documents.feed(piece)] + documents.end()


@given(values=DOCUMENTS, places=st.lists(st.integers(0, 300), max_size=8), ascii_only=st.booleans())
def test_documents_come_out_as_they_went_in(values: list[object], places: list[int], ascii_only: bool) -> None:
    """Quotes, escapes and brackets within texts end no document; nothing need stand between two."""
    body = "".join(json.dumps(value, ensure_ascii=ascii_only) for value in values).encode("utf-8", "surrogatepass")

    told = [one.value for one in found(pieces_of(body, places)) if isinstance(one, Document)]
    assert told == values


@given(pieces=NOISE.map(b"".join), places=st.lists(st.integers(0, 300), max_size=8))
def test_chunking_does_not_matter(pieces: bytes, places: list[int]) -> None:
    """Noise too is told the same however it comes in."""
    assert found(pieces_of(pieces, places)) == found([pieces])


def test_noise_between_documents_is_told_and_they_are_found() -> None:
    """A line of log between two documents costs neither of them; white space and commas are no noise."""
    first, noise, second = found([b'[1],\r\n\x00boot v1.2\n{"a": 2} '])
    assert (first, second) == (Document([1], b"[1]"), Document({"a": 2}, b'{"a": 2}'))
    assert noise == Fault("no JSON document", b",\r\n\x00boot v1.2\n")


def test_what_is_broken_is_told_once() -> None:
    """Half a document at the end, brackets that do not match, depth beyond any device's, and no JSON at all."""
    assert found([b'{"a": 1']) == [Fault("a JSON document that was cut off", b'{"a": 1')]
    assert found([b"{]"]) == [Fault("broken JSON", b"{]")]
    assert [type(one) for one in found([b"[" * 100_000 + b"]" * 100_000])] == [Fault]
    assert found([b"hello"]) == [Fault("no JSON document", b"hello")]
    assert found([b" \n"]) == []


def test_a_document_without_end_is_bounded() -> None:
    """More bytes than any sensor sends are given up, and a megabyte of noise is told in bounded pieces."""
    told = found([b"{" + b"x" * 60_000] * (MAX_DOCUMENT // 60_000 + 2))
    assert told[0].raw[:2] == b"{x"
    assert isinstance(told[0], Fault)
    noise = found([Random(4).randbytes(1 << 20).replace(b"{", b"").replace(b"[", b"")])
    assert max(len(one.raw) for one in noise) <= 4096
