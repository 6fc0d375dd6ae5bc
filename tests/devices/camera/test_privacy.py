"""No picture leaves the camera's memory: not to disk, log, temporary files or the wire; and no code could write one."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_sync.seal.hpke import OpeningKey
from edge_agent.keys import _box
from records import Record, to_json
from records.types import DoorCount, ZoneHeatmap
from simulation.feeds import Feed
from simulation.processes import Agent, Headquarters, Process, command, wait_for
from tests.devices.camera.canary import HEIGHT, MAGIC, WIDTH, forms, held, pieces, record
from tests.edge_agent.boxes import TestBox, folder_bytes
from tests.faults.store_side import taken_out

HOUSE = Path(__file__).resolve().parents[3]
WRITES = re.compile(r'openat\([^"]*"([^"]+)", [^)]*O_(?:WRONLY|RDWR|CREAT)')
MIDDLE = f"0,{HEIGHT // 2},{WIDTH},{HEIGHT // 2}"
SETTINGS = {"mode": "overhead", "lines": {"door": MIDDLE}, "interval_s": 1, "heatmap_cell_px": 20, "heatmap_s": 2}
ENCODERS = {"imwrite", "imencode", "imwritemulti", "imencodemulti", "imwriteanimation", "imencodeanimation"}
WRITERS = {"VideoWriter", "FileStorage", "tofile", "savez", "savez_compressed", "memmap", "imshow", "PIL", "imageio"}
MAY = {
    ("devices/camera/obscured.py", "imencode"),  # a picture in which nobody can be recognised, for who asks for it
    ("devices/camera/simulator.py", "VideoWriter"),  # draws a camera's clips
}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """A whole store, whose headquarters does not answer, with a camera that shows the clip."""
    record(tmp_path / "clip.avi")
    Headquarters(tmp_path).let_in("0214", "box-1", tmp_path / "box", "Asia/Shanghai")
    agent = Agent(tmp_path, tmp_path / "box")
    agent.configure([Feed("cam", "camera", SETTINGS, iter(()))], {"cam": {"source": str(tmp_path / "clip.avi")}})
    yield agent
    agent.stop()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_piece_of_a_picture_is_left_anywhere(agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not eight bytes in a row, as file or as pixels, in any file that the agent ever opened to write or any record."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    calls, log = tmp_path / "calls", tmp_path / "agent.log"
    trace = ["strace", "-D", "-f", "-e", "trace=openat,open,creat,memfd_create", "-o", str(calls)]
    running = Process([*trace, command("edge-agent"), "run", "-c", str(agent.yaml)], log)
    running.start()
    try:
        wait_for("the clip to be counted", 90, lambda: agent.accepted() >= 10)
        before = folder_bytes(agent.data)  # with the database's log as it is while the agent works
    finally:
        running.stop()
    records = _records(agent, tmp_path)
    said = calls.read_text()
    written = {path for path in WRITES.findall(said) if not path.startswith(("/dev/null", "/proc/self/"))}

    assert sum(each.data.in_ for each in records if isinstance(each.data, DoorCount)) == 1
    assert any(isinstance(each.data, ZoneHeatmap) for each in records)
    assert {path for path in written if not path.startswith(str(agent.data))} == set()
    assert not re.search(r"\b(creat|memfd_create)\(", said)
    kept = [before, folder_bytes(agent.data), log.read_bytes(), folder_bytes(tmp_path / "tmp"), *map(to_json, records)]
    places = b"\0".join(kept)
    assert len(places.replace(b"\0", b"")) > 50_000
    assert held(pieces(b"".join(forms(tmp_path / "clip.avi").values())), places) == 0
    assert [magic for magic in MAGIC if magic in places] == []


def _records(agent: Agent, folder: Path) -> list[Record]:
    """What headquarters would read of the batches and of what is not in one yet."""
    (opening,) = (folder / "hq" / "keys").glob("seal-*.key")
    return taken_out(agent.data, TestBox(OpeningKey.load(opening), _box(agent.bundle / "box.key")))


def test_the_search_finds_a_piece_at_any_place(tmp_path: Path) -> None:
    """A tenth of each form at any offset; so that finding nothing means something."""
    record(tmp_path / "clip.avi")
    for name, form in forms(tmp_path / "clip.avi").items():
        known = pieces(form)
        for offset in range(8):
            assert held(known, b"x" * offset + form[len(form) // 2 :][: len(form) // 10]) > 100, name
        assert held(known, bytes(100_000)) == 0


def encoders(file: Path) -> Iterator[tuple[str, str]]:
    """Names by which a picture could be encoded or written, wherever they stand in the code."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Constant(value=str(name)):
                names = [name]
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names = [alias.name.partition(".")[0] for alias in aliases]
                names += [node.module.partition(".")[0]] if isinstance(node, ast.ImportFrom) and node.module else []
            case _:
                continue
        yield from ((str(file), name) for name in names if name in ENCODERS | WRITERS)


def test_no_code_of_the_store_encodes_or_writes_a_picture() -> None:
    """But for the one that hides who is in it, and the one that draws clips."""
    files = [file for package in ("devices", "edge_agent") for file in (HOUSE / package).rglob("*.py")]
    assert len(files) > 100
    found = {(str(Path(file).relative_to(HOUSE)), name) for file in files for file, name in encoders(file)}
    assert found - MAY == set()
    assert ("devices/camera/simulator.py", "VideoWriter") in found
    importers = [file.name for file in files if "devices.camera.simulator" in file.read_text(encoding="utf-8")]
    assert importers == []


@pytest.mark.parametrize(
    "line",
    [
        "cv2.imwrite('a.png', picture)",
        "from cv2 import imencode",
        "getattr(cv2, 'imwritemulti')",
        "write = cv2.VideoWriter",
        "picture.tofile('a')",
        "from PIL import Image",
        "import imageio.v3 as io",
    ],
)
def test_a_planted_encoder_is_found(tmp_path: Path, line: str) -> None:
    """In each way of writing it."""
    (tmp_path / "planted.py").write_text(f"import cv2\n{line}\n")
    assert list(encoders(tmp_path / "planted.py"))
