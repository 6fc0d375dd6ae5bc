"""Pictures that are known again wherever a piece of them lies: a clip of noise that somebody walks across."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from devices.camera.boxes import Picture

PIECE = 8  # bytes in a row; as many of noise are met by chance once in 10^10 megabytes
WIDTH, HEIGHT, FPS, SECONDS = 240, 180, 10, 6
MAGIC = (
    b"\xff\xd8\xff\xe0\0\x10JFIF",
    b"\x89PNG\r\n\x1a\n",
    b"WEBPVP8",
    b"ftypisom",
    b"/9j/4AAQSkZJRg",
    b"iVBORw0KGgo",
)
Words = NDArray[np.uint64]


def record(path: Path) -> None:
    """Motion JPEG, whose own bytes are noise too."""
    noise = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    for number in range(FPS * SECONDS):
        picture = noise.copy()
        place = WIDTH // 2, round((number / FPS - 2) / 3 * (HEIGHT + 40)) - 20
        cv2.ellipse(picture, place, (24, 16), 0, 0, 360, (30, 30, 30), -1)
        writer.write(picture)
    writer.release()


def forms(path: Path) -> dict[str, bytes]:
    """What a leak could hold: the file itself, its first picture as the agent sees it, and both as text (base64)."""
    capture = cv2.VideoCapture(str(path))
    good, picture = capture.read()
    assert good
    shapes = {"file": path.read_bytes(), **_planes(np.asarray(picture, np.uint8))}
    texts = {f"{name}, text {cut}": b64encode(shapes[name][cut:]) for name in ("file", "bgr") for cut in range(3)}
    return shapes | texts


def _planes(picture: Picture) -> dict[str, bytes]:
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    single = {f"plane {number}": picture[..., number].tobytes() for number in range(3)}
    return {
        "bgr": picture.tobytes(),
        "rgb": rgb.tobytes(),
        "grey": grey.tobytes(),
        **single,
    }


def pieces(form: bytes) -> Words:
    """Those of a form that are known again: dark and bright places have none."""
    whole = np.frombuffer(form[: len(form) // PIECE * PIECE], np.uint8).reshape(-1, PIECE)
    different = (np.diff(np.sort(whole, axis=1), axis=1) != 0).sum(axis=1) + 1
    return np.unique(np.ascontiguousarray(whole[different >= PIECE - 2]).view(np.uint64))


def held(known: Words, places: bytes) -> int:
    """How many of these pieces, sorted, lie somewhere, at any offset."""
    found = 0
    for offset in range(PIECE):
        words = _words(places, offset)
        words = words[words != 0]  # what is preallocated
        found += int((known[np.searchsorted(known, words).clip(max=len(known) - 1)] == words).sum())
    return found


def _words(places: bytes, offset: int) -> Words:
    end = offset + (len(places) - offset) // PIECE * PIECE
    return np.frombuffer(places[offset:end], np.uint64)
