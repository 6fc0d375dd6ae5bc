"""A mapping's documents: found in whatever bytes come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Rejected
from devices.mapping.alike import MOST_ALIKE
from devices.mapping.decoder import MappedDecoder
from devices.mapping.documents import Broken, Document, FormDocuments, Found, JsonDocuments, XmlDocuments
from devices.mapping.model import RecordMapping
from devices.mapping.text import TextReader
from tests.devices.cases import pieces_of
from tests.devices.mapping.rules import AT, SALE, SHANGHAI


def found(text: str, pieces: list[str] | None = None, kind: Any = JsonDocuments) -> list[Found]:
    documents = kind()
    return [one for piece in pieces or [text] for one in documents.feed(piece)] + list(documents.end())


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('[{"id": 1}, {"id": 2}]', [1, 2]),
        ('{"id": 1}\n{"id": 2}\r\n', [1, 2]),
        ('{"id": 1}{"id": 2}', [1, 2]),
        ('\x1e{"id": 1}\n\x1e{"id": 2}\n', [1, 2]),
        ('[\n{\n"id": 1,\n"x": "}]\\"{"},\n{"id": [2]}]', [1, [2]]),
        ("[]", []),
        ("", []),
    ],
)
def test_objects_are_found_however_they_stand(text: str, ids: list[Any]) -> None:
    """An array, lines, one after the other; brackets within texts are text."""
    assert [one.values["id"] for one in found(text) if isinstance(one, Document)] == ids
    assert not any(isinstance(one, Broken) for one in found(text))


@pytest.mark.parametrize(
    "broken",
    [
        '{"id": 0, "a": "b\n',
        '{"id": 0, "a": [1}\n',
        '{"id": 0\n',
        "rubbish\n",
        '"text"\n',
        "}\n",
        '{"id": 0,}\n',
        "[1, 2]\n",
    ],
)
def test_a_broken_object_costs_itself_alone(broken: str) -> None:
    """Among lines, what stands before and behind it is read."""
    text = '{"id": 1}\n' + broken + '{"id": 2}\n{"id": 3}\n'
    got = found(text)
    assert [one.values["id"] for one in got if isinstance(one, Document)] == [1, 2, 3]
    assert [one.raw for one in got if isinstance(one, Broken)] != []


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ['{"id": 1}', '{"a": "\\"}"}', "\n", ",", "[", "]", '"', "\\", "{", "}", '{"a": [1, {"b": "c\\\\"}]}']
        ),
        st.text(max_size=8),
        st.just("x" * 70_000),
    ),
    max_size=14,
)


@given(pieces=PIECES)
def test_cutting_the_text_does_not_matter(pieces: list[str]) -> None:
    """The same documents come out whether it is fed whole, in its pieces, or letter by letter."""
    text = "".join(pieces)
    whole = found(text)
    assert found(text, pieces) == whole
    if len(text) < 500:
        assert found(text, list(text)) == whole


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=4))
def test_cutting_the_bytes_does_not_matter(data: bytes, cuts: list[int]) -> None:
    """Whatever the encoding, also through a whole decoder; nothing raises."""
    pieces = pieces_of(data, cuts)
    one, other = TextReader(None), TextReader(None)
    assert one.feed(data) + one.end() == "".join(map(other.feed, pieces)) + other.end()
    for form in ("json", "xml", "form"):
        decoder, again = (MappedDecoder(mapped(form), None, SHANGHAI) for _ in range(2))
        whole = [*decoder.feed(data, AT), *decoder.end(AT)]
        assert [item for piece in pieces for item in again.feed(piece, AT)] + list(again.end(AT)) == whole


def mapped(form: str = "json") -> RecordMapping:
    return RecordMapping.model_validate({"format": form, "records": [SALE]})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encodings_are_told_by_the_bytes(encoding: str) -> None:
    """UTF-8 and UTF-16 with their marks, GB18030 where it is no UTF-8, also far into a file."""
    text = '{"id": "1", "pad": "' + "x" * 100_000 + '", "name": "纯牛奶"}'
    reader = TextReader(None)
    assert reader.feed(text.encode(encoding)) + reader.end() == text


def test_bytes_outside_the_encoding_cost_their_object_alone() -> None:
    """In a UTF-8 file, a damaged name sets its object aside with its bytes as they were."""
    damaged = b'{"id": "2", "name": "caf\xe9"}'
    data = '{"id": "1", "name": "牛奶"}\n'.encode() + damaged + b'\n{"id": "3"}'
    reader, documents = TextReader(None), JsonDocuments()
    got = documents.feed(reader.feed(data) + reader.end()) + documents.end()
    assert [one.values["id"] for one in got if isinstance(one, Document)] == ["1", "3"]
    assert [one.raw for one in got if isinstance(one, Broken)] == [damaged]


def test_xml_and_forms_are_documents_too() -> None:
    """Local names, repeated ones as lists, attributes; a form's fields."""
    xml = '<?xml version="1.0" encoding="GBK"?><a:r xmlns:a="u"><n k="1">x</n><n>y</n><m><o>1</o></m></a:r>'
    (document,) = found(xml, kind=XmlDocuments)
    assert isinstance(document, Document)
    assert document.values == {"n": [{"@k": "1"}, "y"], "m": {"o": "1"}}
    (form,) = found("a=1&b=%E7%89%9B", kind=FormDocuments)
    assert isinstance(form, Document)
    assert form.values == {"a": "1", "b": "牛"}
    bomb = '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    assert isinstance(found(bomb, kind=XmlDocuments)[0], Broken)
    assert isinstance(found("<x>" * 2000 + "</x>" * 2000, kind=XmlDocuments)[0], Broken)


def test_a_wrong_mapping_is_a_hundred_faults_and_one_more() -> None:
    """Where nothing fits, the rest is counted, and its bytes are kept as far as they may be."""
    decoder = MappedDecoder(mapped(), None, SHANGHAI)
    got = [*decoder.feed(b'{"a": 1}\n' * 10_000, AT), *decoder.end(AT)]
    assert len(got) == MOST_ALIKE + 1
    assert isinstance(got[-1], Rejected)
    assert got[-1].reason == "9900 more could not be read; at is blank, and no record is without a time"
    assert len(got[-1].raw) == 4096


def test_deeply_nested_documents_are_set_aside() -> None:
    """A hundred thousand brackets neither crash nor pass."""
    got = found('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
    assert [type(one) for one in got] == [Broken]
