"""What is shown of a picture: enough to place a line by, nothing to recognise anybody by."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from devices.camera.boxes import Box
from devices.camera.obscured import LONGEST, obscured

HEIGHT, WIDTH = 480, 640
SOMEBODY = Box(240, 120, 400, 440, 0.9)


def shown(picture: NDArray[np.uint8], *people: Box) -> NDArray[np.float64]:
    """As who looks at it has it, in the source's size."""
    made = obscured(picture, people)
    assert (made.width, made.height) == picture.shape[1::-1]
    small = cv2.imdecode(np.frombuffer(made.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert max(small.shape) <= LONGEST
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float64)


def within(picture: NDArray[np.float64], box: Box) -> NDArray[np.float64]:
    return picture[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]


def canary(grain: int, seed: int) -> NDArray[np.uint8]:
    """A grey picture with a pattern of squares, as bright in every larger stretch."""
    rng = np.random.default_rng(seed)
    squares = rng.choice([40, 200], (HEIGHT // grain, WIDTH // grain)).astype(np.uint8)
    return np.repeat(np.kron(squares, np.ones((grain, grain), np.uint8))[..., None], 3, axis=2)


def likeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("grain", [2, 4, 8, 16])
def test_nothing_that_a_person_wears_survives(grain: int) -> None:
    """A pattern within somebody's box, of features as large as a mouth or an eye nearby, is not to be found again."""
    picture = canary(grain, grain)
    found = within(shown(picture, SOMEBODY), SOMEBODY)
    original = within(picture[..., 0].astype(np.float64), SOMEBODY)
    assert abs(likeness(found, original)) < 0.35
    assert found.std() < original.std() / 4


def test_who_is_not_found_is_hardly_to_be_seen_either() -> None:
    """Without a box, what is as small as features of a face across a room is gone too."""
    picture = canary(2, 1)
    assert abs(likeness(shown(picture), picture[..., 0].astype(np.float64))) < 0.35


def test_a_door_frame_is_where_it_was() -> None:
    """Somebody can place a line by it: an edge stays within a hundredth of the picture's width."""
    picture = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    picture[:, 320:] = 200
    row = shown(picture)[HEIGHT // 2]
    assert abs(int(np.argmax(row > 120)) - 320) < WIDTH / 100


@pytest.mark.parametrize("box", [Box(-90, -50, 20, 900, 1), Box(630, 470, 800, 600, 1), Box(-50, -50, -20, -20, 1)])
def test_who_is_half_outside_is_hidden_as_far_as_inside(box: Box) -> None:
    """Boxes may reach beyond the picture, or lie beside it."""
    assert shown(canary(8, 2), box).shape == (HEIGHT, WIDTH)


def test_of_the_largest_camera_it_stays_small() -> None:
    """Noise in eight megapixels is a few kilobytes."""
    noise = np.random.default_rng(1).integers(0, 256, (2160, 3840, 3), np.uint8)
    assert len(obscured(noise, []).jpeg) < 16 * 1024
