"""A YOLOX network's file (ONNX), changed before it is run: the same answers by less work.

It asks for one shape. All of it is convolution, so it is told the pictures' shape instead.

It begins by sorting the pixels of each 2 x 2 into planes (Focus: upper left, lower left, upper right, lower right, each
of three colours), which it convolves by 3 x 3. That is one convolution of the picture itself by 6 x 6 in steps of two,
and saves moving the picture five times. A network that begins otherwise is left as it is.
Sources: Ge et al., YOLOX: Exceeding YOLO Series in 2021, arXiv:2107.08430; numbers of fields: ONNX, onnx.proto.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from devices.camera.protobuf import dug, encode, grafted, integers, parse, parts, put

Shape = tuple[int, int]  # height, width

_GRAPH = 7  # of a model
_NODE, _TENSOR, _INPUT, _OUTPUT, _INNER = 1, 5, 11, 12, 13  # of a graph
_TAKES, _GIVES, _OP, _ATTRIBUTE = 1, 2, 4, 5  # of a node
_ATTRIBUTE_NAME, _INTEGERS = 1, 8  # of an attribute
_SIZES, _NAME, _RAW = 1, 8, 9  # of a tensor
_SIDES = (2, 1, 2, 1)  # the way to them from an input or output: type, of a tensor, shape
_SIDE, _ANY = 1, b""
_PIXELS = ((0, 0), (1, 0), (0, 1), (1, 1))  # row and column of the one that each three planes hold
_PLANES = 3 * len(_PIXELS)
_BEFORE = {b"kernel_shape": [3, 3], b"pads": [1, 1, 1, 1], b"strides": [1, 1]}
_AFTER = {b"kernel_shape": [6, 6], b"pads": [2, 2, 2, 2], b"strides": [2, 2]}


class _Node(NamedTuple):
    """One step: what it does, to what, what comes of it (names); data: as the file has it"""

    op: bytes
    takes: list[bytes]
    gives: list[bytes]
    data: bytes


class Network:
    """One file; `NoMessage` where it is none."""

    def __init__(self, file: bytes) -> None:
        self._model = parse(file)
        self._graph = [field for graph in parts(self._model, _GRAPH) for field in parse(graph)]

    @property
    def file(self) -> bytes:
        """As it is now."""
        return encode(put(self._model, _GRAPH, [encode(self._graph)]))

    @property
    def asks(self) -> Shape | None:
        """For pictures of this shape; None where it names no numbers."""
        first = parts(self._graph, _INPUT)[:1]
        match [integers(parse(side), _SIDE) for taken in first for side in dug(taken, _SIDES)]:
            case [_, _, [height], [width]]:
                return height, width
        return None

    def ask(self, shape: Shape) -> None:
        """It shall take pictures of this shape; what the file says of the shapes that follow is taken out."""
        (taken,) = parts(self._graph, _INPUT)
        sides = [*dug(taken, _SIDES)[:2], *(encode(put([], _SIDE, [side])) for side in shape)]
        self._graph = put(self._graph, _INPUT, [grafted(taken, _SIDES, sides)])
        given = [grafted(each, _SIDES, len(dug(each, _SIDES)) * [_ANY]) for each in parts(self._graph, _OUTPUT)]
        self._graph = put(put(self._graph, _OUTPUT, given), _INNER, [])

    def begin_at_once(self) -> None:
        """See the module's docstring."""
        nodes = [_node(data) for data in parts(self._graph, _NODE)]
        beginning = _beginning(nodes)
        if beginning is None:
            return
        sorting, first = beginning
        tensors = parts(self._graph, _TENSOR)
        changed = [_of_the_picture(each) if parts(parse(each), _NAME) == first.takes[1:2] else each for each in tensors]
        if changed == tensors:
            return
        left = [node for node in nodes if node not in sorting]
        picture = sorting[0].takes[0]
        steps = [_at_once(node, picture) if node is first else node.data for node in left]
        self._graph = put(put(self._graph, _NODE, steps), _TENSOR, changed)


def _node(data: bytes) -> _Node:
    message = parse(data)
    return _Node(b"".join(parts(message, _OP)), parts(message, _TAKES), parts(message, _GIVES), data)


def _beginning(nodes: list[_Node]) -> tuple[list[_Node], _Node] | None:
    """The nodes that sort the pixels, first those which take the picture, and the one that convolves the planes."""
    givers = {name: node for node in nodes for name in node.gives}
    first = next((node for node in nodes if node.op == b"Conv"), None)
    if first is None or _steps(first) != _BEFORE:
        return None
    joined = [givers[name] for name in first.takes[:1] if name in givers]
    columns = [givers[name] for node in joined for name in node.takes if name in givers]
    rows = [givers[name] for node in columns for name in node.takes[:1] if name in givers]
    sorting = [*rows, *columns, *joined]
    if [node.op for node in sorting] != 2 * len(_PIXELS) * [b"Slice"] + [b"Concat"]:
        return None
    return sorting, first


def _steps(convolving: _Node) -> dict[bytes, list[int]]:
    """Those of its settings that matter here."""
    settings = [parse(setting) for setting in parts(parse(convolving.data), _ATTRIBUTE)]
    named = {b"".join(parts(setting, _ATTRIBUTE_NAME)): integers(setting, _INTEGERS) for setting in settings}
    return {name: numbers for name, numbers in named.items() if name in _BEFORE}


def _at_once(convolving: _Node, picture: bytes) -> bytes:
    message = put(parse(convolving.data), _TAKES, [picture, *convolving.takes[1:]])
    settings = [parse(setting) for setting in parts(message, _ATTRIBUTE)]
    changed = []
    for setting in settings:
        numbers = _AFTER.get(b"".join(parts(setting, _ATTRIBUTE_NAME)))
        changed.append(encode(put(setting, _INTEGERS, numbers) if numbers else setting))
    return encode(put(message, _ATTRIBUTE, changed))


def _of_the_picture(weights: bytes) -> bytes:
    """Weights of three colours by 6 x 6 pixels for those of twelve planes by 3 x 3; others as they are."""
    message = parse(weights)
    raw, sizes = b"".join(parts(message, _RAW)), integers(message, _SIZES)
    if sizes[1:] != [_PLANES, 3, 3] or len(raw) != 4 * sizes[0] * _PLANES * 9:
        return weights
    planes = np.frombuffer(raw, "<f4").reshape(sizes)
    pixels = np.zeros((sizes[0], 3, 6, 6), "<f4")
    for number, (row, column) in enumerate(_PIXELS):
        pixels[:, :, row::2, column::2] = planes[:, 3 * number : 3 * number + 3]
    return encode(put(put(message, _SIZES, pixels.shape), _RAW, [pixels.tobytes()]))
