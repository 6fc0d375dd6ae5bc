"""The page over HTTP, with recordings in place of cameras and a real recorder behind."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.crew import Crew
from edge_agent.intake import Intake
from edge_agent.recorder.desk import Desk
from records import Record
from records.types import Audit, CameraStill, CountAudit
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.page.site import CAMERA, CLIP, PASSWORD, Visitor, endless, mounted, until
from tests.edge_agent.test_crew import configured
from tests.edge_agent.test_recorder import running

TRUTH = [item["data"] for item in json.loads(CLIP.with_suffix(".json").read_text())["items"]]


def recorded(desk: Desk, box: TestBox, *kinds: type) -> list[Record]:
    """What headquarters would read of these types."""
    found = box.read(desk.parcels(frozenset(), 10_000)).values()
    return [record for record in found if isinstance(record.data, kinds)]


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file() and file.name != "c.mp4")


def tapped(line: str, number: int, *, inward: bool = True) -> dict[str, Any]:
    return {"do": "tap", "line": line, "inward": inward, "id": str(number)}


def test_there_is_no_page_unless_it_is_configured(tmp_path: Path) -> None:
    """Nothing listens, and a camera has nobody to show anything to."""
    with running(tmp_path, TestBox()) as (desk, _):
        intake = Intake(desk, Cleaning(bytes(32)), SystemClock())
        crew = Crew(configured(tmp_path, CAMERA | {"source": "/x.mp4"}), intake, lambda _: {}, intake.clock)
        assert crew.page is None


def test_a_picture_is_shown_softened_and_is_nowhere_afterwards(tmp_path: Path) -> None:
    """A small JPEG that no cache may keep; no file holds it; that somebody looked is recorded once."""
    box = TestBox()
    with (
        endless(CLIP, tmp_path / "c.mp4"),
        running(tmp_path, box) as (desk, _),
        mounted(tmp_path, desk, CAMERA | {"source": str(tmp_path / "c.mp4")}) as crew,
    ):
        visitor = Visitor(crew.page)
        assert visitor.camera()["size"] is None
        pictures = [visitor.patient("/cameras/door-cam/picture") for _ in range(3)]
        assert {picture.headers["Cache-Control"] for picture in pictures} == {"no-store"}
        small = cv2.imdecode(np.frombuffer(pictures[0].content, np.uint8), cv2.IMREAD_COLOR)
        assert small.shape == (72, 96, 3)
        told = visitor.camera()
        assert (told["size"], told["lines"]["door"]) == ([240, 180], [0, 90, 240, 90])
        assert told["zones"]["mat"] == [[20, 20], [220, 20], [220, 70], [20, 70]]
        until(lambda: bool(recorded(desk, box, Audit)), "the look is recorded")
        looks = [record.data for record in recorded(desk, box, Audit)]
        assert looks == [Audit(actor="page 127.0.0.1", action="camera.view")]
        assert not any(picture.content[200:400] in on_disk(tmp_path) for picture in pictures)


def test_the_password_guards_everything(tmp_path: Path) -> None:
    """Wrong ones are refused and then not heard for a while; what is refused says so in headers, too."""
    with running(tmp_path, TestBox()) as (desk, _), mounted(tmp_path, desk, CAMERA | {"source": "/x.mp4"}) as crew:
        stranger = Visitor(crew.page, "guess")
        answers = [
            stranger.ask(path) for path in ("/", "/page.js", "/cameras", "/cameras/door-cam/picture", "/cameras")
        ]
        assert [answer.status_code for answer in answers] == [401] * 4 + [429]
        assert answers[0].headers["WWW-Authenticate"].startswith("Basic ")
        assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
        assert not any(PASSWORD in answer.text for answer in answers)


def test_what_there_is_not_is_said(tmp_path: Path) -> None:
    """Unknown cameras and paths, orders that are none, a camera that shows nothing."""
    with running(tmp_path, TestBox()) as (desk, _), mounted(tmp_path, desk, CAMERA | {"source": "/x.mp4"}) as crew:
        visitor = Visitor(crew.page)
        assert visitor.ask("/").headers["Content-Type"] == "text/html; charset=utf-8"
        assert [visitor.ask(path).status_code for path in ("/nothing", "/cameras/x/picture", "/cameras/x")] == [404] * 3
        orders: list[tuple[dict[str, Any], int]] = [({"do": "dance"}, 400), ({"do": "tap", "x": 1}, 400), ({}, 400)]
        for order, status in [*orders, ({"do": "end"}, 409), ({"do": "undo"}, 409)]:
            assert visitor.ask("/cameras/door-cam/audit", order).status_code == status
        assert visitor.ask("/cameras/door-cam/audit", {"do": "x" * 5000}).status_code == 413
        until(lambda: visitor.camera()["state"] == "down", "the camera is lost")
        picture = visitor.ask("/cameras/door-cam/picture")
        assert (picture.status_code, picture.text) == (409, "/x.mp4: No such file or directory\n")


def test_a_count_by_hand_is_held_against_the_cameras_and_stored(tmp_path: Path) -> None:
    """The camera's own count of the same time, the error, a record, and the same figures after a restart."""
    box, source = TestBox(), tmp_path / "c.mp4"
    crossed = [data for data in TRUTH if data.get("line") == "door"]
    camera = (sum(data["in"] for data in crossed), sum(data["out"] for data in crossed))
    assert camera[0] >= 1
    with running(tmp_path, box) as (desk, _):
        with mounted(tmp_path, desk, CAMERA | {"source": str(source)}) as crew:
            visitor = Visitor(crew.page)
            visitor.ask("/cameras/door-cam/audit", {"do": "start"})
            shutil.copy(CLIP, tmp_path / "copy.mp4")
            (tmp_path / "copy.mp4").replace(source)
            for number in range(camera[0] + 1):
                visitor.ask("/cameras/door-cam/audit", tapped("door", number)).raise_for_status()
            counted = lambda: visitor.camera()["audit"]["lines"][0]  # noqa: E731
            until(lambda: (counted()["counted_in"], counted()["counted_out"]) == camera, "the clip is counted")
            ended = visitor.ask("/cameras/door-cam/audit", {"do": "end"}).json()[0]
        (line,) = ended["earlier"]
        assert ended["audit"] is None
        assert (line["counted_in"], line["counted_out"], line["tapped_in"], line["tapped_out"]) == (
            *camera,
            camera[0] + 1,
            0,
        )
        assert line["error_in"] == {1: "-50.0", 2: "-33.3"}[camera[0]]
        assert line["error_out"] is None
        until(lambda: bool(recorded(desk, box, CountAudit)), "it is on its way to headquarters")
        (record,) = recorded(desk, box, CountAudit)
        assert record.device == "door-cam"
        assert (record.data.tapped_in, record.data.counted_in) == (camera[0] + 1, camera[0])
        with mounted(tmp_path, desk, CAMERA | {"source": str(source)}) as crew:
            assert Visitor(crew.page).camera()["earlier"] == [line]


def test_a_count_can_be_dropped(tmp_path: Path) -> None:
    """Nothing is stored of it."""
    box = TestBox()
    with running(tmp_path, box) as (desk, _), mounted(tmp_path, desk, CAMERA | {"source": "/x.mp4"}) as crew:
        visitor = Visitor(crew.page)
        for order in ({"do": "start"}, tapped("door", 1), {"do": "drop"}):
            told = visitor.ask("/cameras/door-cam/audit", order).json()[0]
        assert (told["audit"], told["earlier"]) == (None, [])
        assert visitor.ask("/cameras/door-cam/audit", tapped("door", 2)).status_code == 409
    assert recorded_nothing(box, tmp_path)


def recorded_nothing(box: TestBox, folder: Path) -> bool:
    with running(folder, box) as (desk, _):
        return not recorded(desk, box, CountAudit)


@pytest.mark.parametrize("allowed", [False, True])
def test_a_still_goes_to_headquarters_only_where_it_is_configured(tmp_path: Path, *, allowed: bool) -> None:
    """Sealed like any record, with who asked beside it, small, and not twice in a minute."""
    box = TestBox()
    camera = CAMERA | {"source": str(tmp_path / "c.mp4"), "still": allowed}
    with (
        endless(CLIP, tmp_path / "c.mp4"),
        running(tmp_path, box) as (desk, _),
        mounted(tmp_path, desk, camera) as crew,
    ):
        visitor = Visitor(crew.page)
        asked = visitor.patient("/cameras/door-cam/still", {})
        if not allowed:
            assert (asked.status_code, "still: true" in asked.text) == (409, True)
            assert not recorded(desk, box, CameraStill, Audit)
            return
        assert asked.status_code == 200
        again = visitor.ask("/cameras/door-cam/still", {})
        assert (again.status_code, "try again" in again.text) == (409, True)
        until(lambda: len(recorded(desk, box, CameraStill, Audit)) == 3, "all of it is on its way")
        (still,) = recorded(desk, box, CameraStill)
        told = sorted((record.data for record in recorded(desk, box, Audit)), key=lambda audit: audit.action)
        assert (still.device, still.data.width, still.data.height) == ("door-cam", 240, 180)
        assert [(audit.actor, audit.action) for audit in told] == [
            ("page 127.0.0.1", "camera.still"),
            ("page 127.0.0.1", "camera.view"),
        ]
        assert told[0].detail == f"{len(b64decode(still.data.jpeg))} bytes of jpeg"
        assert len(still.data.jpeg) < 64 * 1024
        assert still.data.jpeg.encode() not in on_disk(tmp_path)
