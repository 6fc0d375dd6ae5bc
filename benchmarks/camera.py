"""What looking at one camera costs: a stream of 768x432 with 10 pictures a second, decoding included."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from benchmarks.figures import Figure, show
from devices.camera.driver import RecordingDriver
from devices.camera.options import Options
from devices.camera.scene import FPS, Scene, Walker
from devices.driver import Context

SECONDS = 60
SIZE = (768, 432)
INSTALLED = Path("/var/lib/store-edge/models/yolox_nano.onnx")


def model() -> Path | None:
    """Where the detector's network is: installed, or among the samples."""
    shared = Path(os.environ.get("STORE_EDGE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    return next((path for path in (INSTALLED, shared / "models" / INSTALLED.name) if path.is_file()), None)


def clip(folder: Path) -> Path:
    """A minute in which somebody comes by every three seconds."""
    path = folder / "clip.mp4"
    walkers = [
        Walker([(n * 3.0, 100 + 60 * (n % 10), -20), (n * 3.0 + 4, 140 + 50 * (n % 10), 450)]) for n in range(20)
    ]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for picture in Scene(SECONDS, walkers, width=SIZE[0], height=SIZE[1]).pictures(1):
        writer.write(picture)
    writer.release()
    return path


def core_pct(path: Path, **settings: object) -> float:
    """CPU seconds for each hundred seconds of the stream, the network's loading apart."""
    told = {"id": "cam", "driver": "camera", "source": str(path), "lines": {"door": (0, 216, 768, 216)}, **settings}
    player = RecordingDriver(Options.model_validate(told), Context())
    player.open()
    begun = time.process_time()
    while player.playing:
        player.read(1.0)
    return (time.process_time() - begun) / SECONDS * 100


def main() -> None:
    figures = []
    with TemporaryDirectory() as folder:
        path = clip(Path(folder))
        if network := model():
            cost = core_pct(path, mode="detector", model=network)
            figures.append(Figure("camera_detector_core_pct", cost, "%", None))
        else:
            print("no network: edge-agent models install yolox-nano; the detector is left out", file=sys.stderr)
        figures.append(Figure("camera_overhead_core_pct", core_pct(path, mode="overhead"), "%", None))
    show(figures)


if __name__ == "__main__":
    main()
