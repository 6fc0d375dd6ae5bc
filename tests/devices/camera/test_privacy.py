"""No picture leaves the camera's memory: not to disk, log, temporary files or the wire; and no code could write one."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from paho.mqtt.publish import multiple

from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire.topics import Address, Up
from edge_agent.keys import _box
from records import Record, to_json
from records.types import CameraStill, DoorCount, ZoneHeatmap
from simulation.feeds import Feed
from simulation.processes import Agent, Headquarters, Process, command, wait_for
from tests.cloud_sync.ingest.box import NOW, OPENING, Box
from tests.devices.camera.canary import HEIGHT, MAGIC, WIDTH, forms, held, pieces, record
from tests.devices.camera.tap import Tap
from tests.edge_agent.boxes import TestBox, folder_bytes
from tests.faults.store_side import taken_out
from tests.services import BrokerForTests, Files

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
def tap(broker: BrokerForTests) -> Iterator[Tap]:
    """On the way from the box to the broker."""
    tap = Tap(broker, broker.box("0214", "box-1"))
    yield tap
    tap.close()


@pytest.fixture
def agent(tmp_path: Path, broker: BrokerForTests, tap: Tap) -> Iterator[Agent]:
    """A whole store, whose headquarters takes all and answers nothing, with a camera that shows the clip."""
    record(tmp_path / "clip.avi")
    Headquarters(tmp_path).let_in("0214", "box-1", tmp_path / "box", "Asia/Shanghai")
    agent = Agent(tmp_path, tmp_path / "box")
    agent.configure([Feed("cam", "camera", SETTINGS, iter(()))], {"cam": {"source": str(tmp_path / "clip.avi")}})
    box = broker.box("0214", "box-1")
    said = yaml.safe_load(agent.yaml.read_text())
    said["hq"] |= {"ca_file": str(box.ca), "cert_file": str(box.certificate), "key_file": str(box.key)}
    said["hq"]["brokers"] = [f"mqtts://localhost:{tap.port}"]
    agent.yaml.write_text(yaml.safe_dump(said))
    yield agent
    agent.stop()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_piece_of_a_picture_is_left_anywhere(
    agent: Agent, tap: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not eight bytes in a row, as file, pixels or text: in no file that the agent ever opened to write, no record, and
    nothing that it said to its broker, as it went over the wire and as headquarters opens it.
    """
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    calls, log = tmp_path / "calls", tmp_path / "agent.log"
    trace = ["strace", "-D", "-f", "-e", "trace=openat,open,creat,memfd_create", "-o", str(calls)]
    running = Process([*trace, command("edge-agent"), "run", "-c", str(agent.yaml)], log)
    running.start()
    try:
        wait_for("the clip to be counted", 90, lambda: agent.accepted() >= 10)
        sent = wait_for("counts and a heat map on the wire", 90, lambda: _told(_opened(tap, agent, tmp_path)))
        before = folder_bytes(agent.data)  # with the database's log as it is while the agent works
    finally:
        running.stop()
    records = [*_records(agent, tmp_path), *sent]
    said = calls.read_text()
    written = {path for path in WRITES.findall(said) if not path.startswith(("/dev/null", "/proc/self/"))}

    assert sum(each.data.in_ for each in sent if isinstance(each.data, DoorCount)) == 1
    assert {path for path in written if not path.startswith(str(agent.data))} == set()
    assert not re.search(r"\b(creat|memfd_create)\(", said)
    kept = [before, folder_bytes(agent.data), log.read_bytes(), folder_bytes(tmp_path / "tmp"), *tap.sent]
    places = b"\0".join([*kept, *map(to_json, records)])
    assert b"/up/batch" in places
    assert len(places.replace(b"\0", b"")) > 50_000
    assert held(pieces(b"".join(forms(tmp_path / "clip.avi").values())), places) == 0
    assert [magic for magic in MAGIC if magic in places] == []


def _records(agent: Agent, folder: Path) -> list[Record]:
    """What headquarters would read of the batches and of what is not in one yet."""
    return taken_out(agent.data, _headquarters(agent, folder))


def _opened(tap: Tap, agent: Agent, folder: Path) -> list[Record]:
    """What headquarters reads of what the broker was sent."""
    return list(_headquarters(agent, folder).read_streams(tap.parcels()).values())


def _told(records: list[Record]) -> list[Record]:
    """All of them once the passage and a heat map are among them."""
    counted = any(isinstance(each.data, DoorCount) and each.data.in_ for each in records)
    return records if counted and any(isinstance(each.data, ZoneHeatmap) for each in records) else []


def _headquarters(agent: Agent, folder: Path) -> TestBox:
    (opening,) = (folder / "hq" / "keys").glob("seal-*.key")
    return TestBox(OpeningKey.load(opening), _box(agent.bundle / "box.key"))


def test_a_picture_on_the_wire_is_found(broker: BrokerForTests, tap: Tap, tmp_path: Path) -> None:
    """As it is, or as text in a sealed record once that is opened: so that finding nothing means something."""
    record(tmp_path / "clip.avi")
    shapes = forms(tmp_path / "clip.avi")
    known = pieces(b"".join(shapes.values()))
    box = Box()
    still = Record("cam", NOW, CameraStill(shapes["bgr, text 0"][:20_000].decode(), WIDTH, HEIGHT))
    say(tap, broker.box("0214", "box-1"), {Up.EPOCH: box.header.raw, Up.BATCH: box.batch([still])})
    wait_for("the batch", 60, lambda: len(tap.parcels()) == 2)
    assert sum(held(known, bytes(said)) for said in tap.sent) == 0
    (opened,) = TestBox(OPENING, box.key).read_streams(tap.parcels()).values()
    assert held(known, to_json(opened)) > 1_000
    say(tap, broker.box("0214", "box-1"), {Up.HEARTBEAT: shapes["grey"][:9_000]})
    wait_for("the picture", 60, lambda: len(tap.parcels()) == 3)
    assert sum(held(known, bytes(said)) for said in tap.sent) > 1_000


def say(tap: Tap, box: Files, messages: dict[Up, bytes]) -> None:
    """As the box, through the tap."""
    address = Address("se", "0214", "box-1")
    told = [{"topic": address.up(what), "payload": payload, "qos": 1} for what, payload in messages.items()]
    files = {"ca_certs": str(box.ca), "certfile": str(box.certificate), "keyfile": str(box.key)}
    multiple(told, hostname="localhost", port=tap.port, client_id="box-1", tls=files)  # type: ignore[arg-type]


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
