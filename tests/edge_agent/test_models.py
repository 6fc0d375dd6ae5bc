"""`edge-agent models`: only the very bytes that were tried are installed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from edge_agent import models
from edge_agent.cli import main
from edge_agent.models import MODELS, Model

WEIGHTS = bytes(range(256)) * 1000


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose bytes are here."""
    model = Model("small.onnx", "http://127.0.0.1:9/small.onnx", len(WEIGHTS), sha256(WEIGHTS).hexdigest(), "CC0-1.0")
    monkeypatch.setitem(MODELS, "small", model)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a folder that holds the right file and two wrong ones."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "right").write_bytes(WEIGHTS)
    (folder / "changed").write_bytes(WEIGHTS[:-1] + b"!")
    (folder / "long").write_bytes(WEIGHTS * 20)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("known")
def test_it_comes_by_address_or_file(served: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both bring the same bytes, and `list` tells that they are there."""
    for number, source in enumerate((f"{served}/right", str(tmp_path / "served" / "right"))):
        folder = tmp_path / str(number)
        assert main(["models", "list", "--to", str(folder)]) == 0
        assert "small  not installed" in capsys.readouterr().out
        assert main(["models", "install", "small", "--from", source, "--to", str(folder)]) == 0
        assert (folder / "small.onnx").read_bytes() == WEIGHTS
        assert main(["models", "list", "--to", str(folder)]) == 0
        assert "small  installed" in capsys.readouterr().out


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(("file", "said"), [("changed", "SHA-256"), ("long", "more than"), ("absent", "404")])
def test_what_is_not_the_model_is_not_installed(
    served: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, said: str
) -> None:
    """One that was there before stays."""
    (tmp_path / "small.onnx").write_bytes(WEIGHTS)
    assert main(["models", "install", "small", "--from", f"{served}/{file}", "--to", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err
    assert (tmp_path / "small.onnx").read_bytes() == WEIGHTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["served", "small.onnx"]


def test_an_unknown_model_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With those that there are."""
    assert main(["models", "install", "yolo", "--to", str(tmp_path)]) == 2
    assert "yolox-nano" in capsys.readouterr().err
    assert models.MODELS["yolox-nano"].licence == "Apache-2.0"
