"""What looking at cameras costs: streams of 768x432 with 10 pictures a second, decoding included."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from benchmarks.figures import Figure, show
from devices.camera.driver import RecordingDriver
from devices.camera.options import Options
from devices.camera.scene import FPS, Scene, Walker
from devices.driver import Context
from simulation.feeds import Feed
from simulation.processes import Agent, Headquarters, wait_for

SECONDS = 60
SIZE = (768, 432)
STREAMS = 4
DETECTED_FPS = 5  # of a stream's ten
COUNTS = 8  # records of the clip that show that the agent looks at it
LINE = {"lines": {"door": "0,216,768,216"}}
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


def played(path: Path, settings: dict[str, object]) -> float:
    """Looks at the whole clip, as fast as that goes; the CPU seconds that it took, the network's loading apart."""
    told = {"id": "cam", "driver": "camera", "source": str(path), **LINE, **settings}
    player = RecordingDriver(Options.model_validate(told), Context())
    player.open()
    player.read(0.001)  # the first picture
    begun = time.process_time()
    while player.playing:
        player.read(1.0)
    return time.process_time() - begun


def core_pct(path: Path, settings: dict[str, object]) -> float:
    """CPU seconds for each hundred seconds of the stream."""
    return played(path, settings) / SECONDS * 100


def pictures_s(path: Path, settings: dict[str, object]) -> float:
    """Pictures a second that are looked at of each of several streams, by threads of one process as in the agent."""
    begun = time.monotonic()
    with ThreadPoolExecutor(STREAMS) as threads:
        list(threads.map(lambda _: played(path, settings), range(STREAMS)))
    return SECONDS * DETECTED_FPS / (time.monotonic() - begun)


@contextmanager
def running(folder: Path, feeds: list[Feed], path: Path) -> Iterator[Agent]:
    """A whole agent that no headquarters answers."""
    folder.mkdir()
    Headquarters(folder).let_in("0214", "box-1", folder / "box", "Asia/Shanghai")
    agent = Agent(folder, folder / "box")
    agent.configure(feeds, {feed.id: {"source": str(path)} for feed in feeds})
    agent.start()
    try:
        agent.await_ready()
        yield agent
    finally:
        agent.stop()


def resident_mb(agent: Agent) -> float:
    """The most that the agent ever held (proc(5), VmHWM)."""
    status = Path(f"/proc/{agent.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def memory_mb(folder: Path, path: Path, settings: dict[str, object]) -> Figure:
    """An agent with one camera, beside one without any."""
    with running(folder / "bare", [], path) as agent:
        bare = resident_mb(agent)
    with running(
        folder / "one", [Feed("cam", "camera", {**LINE, **settings, "interval_s": 5}, iter(()))], path
    ) as agent:
        wait_for("the clip to be looked at", 300, lambda: agent.accepted() >= COUNTS)
        return Figure("camera_agent_resident_mb", resident_mb(agent), "MiB", bare)


def main() -> None:
    figures = []
    with TemporaryDirectory() as folder:
        path = clip(Path(folder))
        if network := model():
            detector: dict[str, object] = {"mode": "detector", "model": str(network)}
            figures.append(Figure("camera_detector_core_pct", core_pct(path, detector), "%"))
            figures.append(Figure("camera_four_streams_fps", pictures_s(path, detector), "pictures/s each"))
            figures.append(memory_mb(Path(folder), path, detector))
        else:
            print("no network: edge-agent models install yolox-nano; the detector is left out", file=sys.stderr)
        figures.append(Figure("camera_overhead_core_pct", core_pct(path, {"mode": "overhead"}), "%"))
    show(figures)


if __name__ == "__main__":
    main()
