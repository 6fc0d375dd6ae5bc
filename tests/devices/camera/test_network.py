"""A network's file is changed without changing its answers, and one that is other than expected is left as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.camera.detector import Detector
from devices.camera.network import Network
from devices.camera.protobuf import Field, NoMessage, dug, encode, grafted, integers, parse, parts, put
from devices.driver import DeviceOffline
from tests.samples import SHARED, needs_samples

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
NUMBERS = st.integers(0, 2**64 - 1)
FIELDS = st.one_of(
    st.builds(Field, st.integers(1, 2**29 - 1), st.just(0), NUMBERS),
    st.builds(Field, st.integers(1, 2**29 - 1), st.just(2), st.binary(max_size=300)),
    st.builds(Field, st.integers(1, 2**29 - 1), st.just(1), st.binary(min_size=8, max_size=8)),
    st.builds(Field, st.integers(1, 2**29 - 1), st.just(5), st.binary(min_size=4, max_size=4)),
)


# --- messages ----------------------------------------------------------------------------------------------------


@given(st.lists(FIELDS, max_size=20))
def test_a_message_is_read_as_it_was_written(message: list[Field]) -> None:
    """Any fields, of any kind."""
    assert parse(encode(message)) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    """And nothing else comes of them."""
    try:
        again = parse(encode(parse(data)))
    except NoMessage:
        return
    assert again == parse(data)


def test_a_number_is_written_as_the_documentation_does() -> None:
    """Field 1, 150: its own example."""
    assert encode([Field(1, 0, 150)]) == bytes.fromhex("089601")
    assert integers(parse(bytes.fromhex("3206038e029ea705")), 6) == [3, 270, 86942]


@pytest.mark.parametrize("data", ["08", "0a05ff", "0b", "09ffff", "80" * 11])
def test_what_is_cut_off_or_unknown_is_no_message(data: str) -> None:
    """A number, a text and eight bytes without their end, a kind that is not known, a number that never ends."""
    with pytest.raises(NoMessage):
        parse(bytes.fromhex(data))


def test_what_is_put_within_replaces_what_was_there_alone() -> None:
    """Along a path; the other fields on the way stay."""
    data = encode(put(put([], 1, [7]), 2, [encode(put(put([], 3, [b"a", b"b"]), 4, [9]))]))
    changed = grafted(data, (2, 3), [b"c"])
    assert (dug(data, (2, 3)), dug(changed, (2, 3))) == ([b"a", b"b"], [b"c"])
    assert (integers(parse(changed), 1), integers(parse(parts(parse(changed), 2)[0]), 4)) == ([7], [9])


# --- networks ----------------------------------------------------------------------------------------------------


def _message(**fields: object) -> bytes:
    """_1=5, _2=[b"a", b"b"]: fields by number."""
    message: list[Field] = []
    for name, told in fields.items():
        message = put(message, int(name[1:]), told if isinstance(told, list) else [told])
    return encode(message)


def _tensor(name: bytes, values: np.ndarray) -> bytes:
    kind = 7 if values.dtype == np.int64 else 1
    return _message(_1=list(values.shape), _2=kind, _8=name, _9=values.tobytes())


def _step(op: bytes, takes: list[bytes], gives: bytes, **settings: list[int]) -> bytes:
    told = [_message(_1=name.encode(), _8=numbers, _20=7) for name, numbers in settings.items()]
    return _message(_1=takes, _2=gives, _4=op, _5=[*told, *([_message(_1=b"axis", _3=1, _20=2)] * (op == b"Concat"))])


def _end(name: bytes, *sides: int) -> bytes:
    shape = _message(_1=[_message(_1=side) for side in sides])
    return _message(_1=name, _2=_message(_1=_message(_1=1, _2=shape)))


def _small(strides: int = 1, second: bytes = b"Slice") -> bytes:
    """A network of the beginning alone: pixels sorted into planes, and those convolved to four."""
    numbers = {b"zero": [0], b"one": [1], b"two": [2], b"rows": [2], b"columns": [3], b"all": [2**31 - 1]}
    steps = []
    for place, (row, column) in enumerate([(b"zero",) * 2, (b"one", b"zero"), (b"zero", b"one"), (b"one",) * 2]):
        half, plane = b"half%d" % place, b"plane%d" % place
        steps += [_step(b"Slice", [b"picture", row, b"all", b"rows", b"two"], half)]
        steps += [_step(second, [half, column, b"all", b"columns", b"two"], plane)]
    steps += [_step(b"Concat", [b"plane%d" % place for place in range(4)], b"planes")]
    steps += [
        _step(b"Conv", [b"planes", b"weights"], b"answer", kernel_shape=[3, 3], pads=[1] * 4, strides=[strides] * 2)
    ]
    weights = np.random.default_rng(1).normal(size=(4, 12, 3, 3)).astype(np.float32)
    tensors = [*(_tensor(name, np.array(held, np.int64)) for name, held in numbers.items())]
    graph = _message(
        _1=steps,
        _2=b"small",
        _5=[*tensors, _tensor(b"weights", weights)],
        _11=_end(b"picture", 1, 3, 416, 416),
        _12=_end(b"answer", 1, 4, 208, 208),
    )
    return _message(_1=7, _7=graph, _8=_message(_2=11))


def _answer(file: bytes, height: int, width: int) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(2).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: picture})[0])


def _steps(network: Network) -> list[bytes]:
    return dug(network.file, (7, 1, 4))


def test_beginning_at_once_answers_the_same() -> None:
    """One step in place of ten, at the edges of the picture too."""
    network = Network(_small())
    before = _answer(network.file, 416, 416)
    network.begin_at_once()
    assert _steps(network) == [b"Conv"]
    assert np.allclose(_answer(network.file, 416, 416), before, atol=0.1)  # of some thousands


def test_a_network_takes_the_shape_that_it_is_told() -> None:
    """With either beginning."""
    network = Network(_small())
    assert network.asks == (416, 416)
    network.ask((96, 64))
    assert network.asks == (96, 64)
    before = _answer(network.file, 96, 64)
    assert before.shape == (1, 4, 48, 32)
    network.begin_at_once()
    assert np.allclose(_answer(network.file, 96, 64), before, atol=0.1)


@pytest.mark.parametrize("file", [_small(strides=2), _small(second=b"Mean"), b""])
def test_a_network_that_begins_otherwise_is_left_as_it_is(file: bytes) -> None:
    """Larger steps, another operation, nothing at all."""
    network = Network(file)
    before = network.file
    network.begin_at_once()
    assert network.file == before


def test_a_file_that_is_no_network_is_told(tmp_path: Path) -> None:
    """In words that say how to get one."""
    model = tmp_path / "yolox_nano.onnx"
    model.write_bytes(b"<html>Not Found</html>")
    detector = Detector(model, 0.1, cars=False)
    with pytest.raises(DeviceOffline, match=r"is no network: .*; run: edge-agent models install yolox-nano"):
        detector.find(np.zeros((90, 160, 3), np.uint8))


@needs_samples
def test_the_detectors_network_answers_as_it_did() -> None:
    """At another shape than its file says, with the first steps made one."""
    assert SHARED
    network = Network((SHARED / "models" / "yolox_nano.onnx").read_bytes())
    network.ask((96, 160))
    before = _answer(network.file, 96, 160)
    steps = len(_steps(network))
    network.begin_at_once()
    assert len(_steps(network)) == steps - 9
    assert np.allclose(_answer(network.file, 96, 160), before, rtol=1e-3, atol=1e-3)


def test_weights_that_are_no_bytes_stay_as_they_are() -> None:
    """As a file may hold them too: numbers in a field of their own; and so does the beginning."""
    *others, weights = dug(_small(), (7, 5))
    (raw,) = dug(weights, (9,))
    numbers = encode(put(put(parse(weights), 9, []), 4, [raw]))
    network = Network(grafted(_small(), (7, 5), [*others, numbers]))
    before = network.file
    network.begin_at_once()
    assert network.file == before
