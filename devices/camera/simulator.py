"""A camera above a door: short clips of somebody who walks through, as files that the driver plays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from devices.simulator import Message

if TYPE_CHECKING:
    from devices.camera.scene import Scene

NAME = "camera.mp4"
SECONDS = 4.0


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - clips carry no date
    """Endless clips, each of one person who comes in (downwards) or goes out."""
    from devices.camera.scene import Scene, Walker

    while True:
        x = rng.uniform(60, 180)
        there, back = (-20, 200) if rng.random() < 0.5 else (200, -20)
        scene = Scene(SECONDS, [Walker([(1.5, x, there), (3.7, x, back)])], width=240, height=180)
        yield Message("video", recorded(scene, rng.randrange(2**32)), NAME)


def recorded(scene: Scene, seed: int) -> bytes:
    """A clip as an MPEG-4 file."""
    import cv2

    from devices.camera.scene import FPS

    with TemporaryDirectory() as folder:
        file = Path(folder) / NAME
        writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (scene.width, scene.height))
        for picture in scene.pictures(seed):
            writer.write(picture)
        writer.release()
        return file.read_bytes()
