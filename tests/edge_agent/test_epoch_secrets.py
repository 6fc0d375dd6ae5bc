"""What is found on a box by somebody who has all of it: its files, its memory, its logs, its core."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.batch import MAX_RECORD, row_aad
from edge_agent.buffer.transaction import lane_seq
from edge_agent.recorder.opening import FILE
from tests.simulation.plants import content, found

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "store-edge-agent.service"
CANARIES = 1000
MARK = "quokka-of-zanzibar"  # in each of them: where it is not found, none of them is
EPOCHS = 3
NONCE = 12


class Secrets(NamedTuple):
    """What opens an epoch. As docs/wire.md derives it, not as the product does."""

    epoch: bytes
    drawn: bytes
    rows: bytes
    batches: bytes

    @classmethod
    def of(cls, raw: bytes, hq: OpeningKey) -> Secrets:
        header = wire_epoch.parse(raw)
        epoch, drawn = header.identity.epoch, hq.open(header.sealed[hq.public.key_id], header.info())
        rows, batches = (
            HKDF(SHA256(), 32, epoch, b"store-edge " + what + b" 1").derive(drawn) for what in (b"rows", b"batches")
        )
        return cls(epoch, drawn, rows, batches)

    def pieces(self) -> Iterator[bytes]:
        """Each secret, and its middle and end: freed memory is written over from its beginning."""
        for secret in self[1:]:
            yield from (secret, secret[8:24], secret[16:])


@dataclass
class Box:
    """A recorder's process, and what an outsider with headquarters' key sees of it."""

    folder: Path
    hq: OpeningKey
    process: subprocess.Popen[str]

    def tell(self, *words: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def copied(self, place: Path) -> Path:
        """The buffer's files as they lie on the disk now."""
        place.mkdir()
        for file in self.folder.glob(f"{FILE}*"):
            shutil.copyfile(file, place / file.name)
        return place

    def secrets(self, place: Path) -> list[Secrets]:
        """Of every epoch whose header is on the disk, oldest first."""
        with closing(sqlite3.connect(self.copied(place) / FILE)) as db:
            return [Secrets.of(raw, self.hq) for (raw,) in db.execute("SELECT raw FROM header_a ORDER BY ordinal")]

    def memory(self) -> bytes:
        """All that the process could write or wrote, as a debugger of root reads it."""
        regions = []
        with open(f"/proc/{self.process.pid}/mem", "rb") as memory:
            for line in Path(f"/proc/{self.process.pid}/maps").read_text().splitlines():
                span, rights, *_ = line.split()
                low, high = (int(end, 16) for end in span.split("-"))
                if rights.startswith("rw"):
                    memory.seek(low)
                    with suppress(OSError):  # a region of the kernel's
                        regions.append(memory.read(high - low))
        return b"\0".join(regions)


def started(folder: Path) -> Box:
    """A recorder at work in `folder`/data; its log, its temporary files and its core would be beside it."""
    hq = OpeningKey.generate()
    data = folder / "data"
    for each in (data, folder / "tmp", folder / "core"):
        each.mkdir()
    hq.public.save(data / "hq.pub")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.edge_agent.epoch_process", str(data)],
        cwd=folder / "core",
        env=os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("wb"),
        text=True,
        preexec_fn=core_allowed,
    )
    return Box(data, hq, process)


def core_allowed() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = started(tmp_path)
    yield box
    box.process.kill()
    box.process.wait()


def opened_rows(place: Path, keys: list[bytes]) -> list[bytes]:
    """The records of every row in a copy of the buffer that one of these keys opens."""
    plain = []
    with closing(sqlite3.connect(place / FILE)) as db:
        epochs = dict(db.execute("SELECT ordinal, epoch FROM epoch"))
        for id_, epoch, kind, words, sealed in db.execute("SELECT id, epoch, type, dictionary, sealed FROM journal"):
            aad = row_aad(epochs[epoch], *lane_seq(id_), kind, words)
            for key in keys:
                with suppress(InvalidTag):
                    frame = AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], aad)
                    plain.append(Zstd().expand(frame, words, MAX_RECORD))
    return plain


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that forbids it")
def test_the_memory_of_an_epoch_opens_its_rows(box: Box, tmp_path: Path) -> None:
    """While an epoch lasts, its keys for rows and batches are in memory, and open what is in the journal."""
    box.tell("accept", "canary-of-now")
    secrets = box.secrets(tmp_path / "copy")[-1]
    memory = box.memory()

    assert secrets.drawn not in memory, "what is sealed to headquarters is wiped at once"
    at = memory.find(secrets.rows)
    assert at > 0
    assert secrets.batches in memory
    found_key = memory[at : at + 32]
    assert any(b"canary-of-now" in plain for plain in opened_rows(tmp_path / "copy", [found_key]))


def remaining(ended: list[Secrets], data: bytes) -> list[bytes]:
    return [piece for secrets in ended for piece in secrets.pieces() if piece in data]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that forbids it")
def test_nothing_of_an_ended_epoch_is_openable(box: Box, tmp_path: Path) -> None:
    """After an epoch's end neither its keys nor halves of them are in memory or on the disk, at once and later."""
    ended: list[Secrets] = []
    left = []
    for number in range(EPOCHS):
        box.tell("accept", f"canary-{number}")
        box.tell("work")
        ended.append(box.secrets(tmp_path / f"copy-{number}")[-1])
        box.tell("end")
        left += remaining(ended, box.memory())
        if number % 2:
            box.tell("work")
            left += remaining(ended, box.memory())

    disk = content(box.folder)
    assert len({secrets.epoch for secrets in ended}) == EPOCHS
    assert left == []
    assert remaining(ended, disk) == []
    assert len(disk) > 100_000


def readable(box: Box) -> str:
    """How many of the texts stand in the process's memory; that they may is said in docs/security.md."""
    if os.geteuid():
        return "an unknown number"
    return str(len(set(re.findall(rb"[0-9]{9}-" + MARK.encode() + rb"-[0-9]{4}", box.memory()))))


def test_a_thousand_canaries_are_found_nowhere(box: Box, tmp_path: Path) -> None:
    """Of 1,000 texts in records none is in the buffer, its log, the process's log, a temporary file or a core."""
    random = Random(7)
    canaries = [f"{random.randrange(10**9):09}-{MARK}-{number:04}" for number in range(CANARIES)]
    for at in range(0, CANARIES, 50):
        box.tell("accept", *canaries[at : at + 50])
    places = content(box.copied(tmp_path / "copy"))
    in_memory = readable(box)
    box.tell("end")
    box.tell("work")
    later = readable(box)
    places += content(box.folder, tmp_path / "tmp")
    box.process.send_signal(signal.SIGABRT)
    status = box.process.wait()
    places += content(box.folder, tmp_path / "tmp", tmp_path / "core") + (tmp_path / "log").read_bytes()

    print(f"plain texts in memory: {in_memory} of {CANARIES} while the epoch lasts, {later} after its end")
    assert status == -signal.SIGABRT
    assert list((tmp_path / "core").iterdir()) == []
    assert len(places.replace(b"\0", b"")) > 100_000
    assert found([MARK], places) == set()
    assert found([MARK], canaries[-1].encode().hex().encode()) == {MARK}


def test_a_core_would_be_noticed(tmp_path: Path) -> None:
    """A process that does not forbid it leaves a core where the agent leaves none."""
    if Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")):
        pytest.skip("this system sends cores elsewhere")
    if not resource.getrlimit(resource.RLIMIT_CORE)[1]:
        pytest.skip("this system allows no cores")
    subprocess.run([sys.executable, "-c", "import os; os.abort()"], cwd=tmp_path, preexec_fn=core_allowed, check=False)

    assert len(list(tmp_path.iterdir())) == 1


def test_the_unit_keeps_memory_out_of_swap_and_cores() -> None:
    """As a service the agent is not swapped out and leaves no core."""
    lines = UNIT.read_text().splitlines()

    assert {"MemorySwapMax=0", "LimitCORE=0", "PrivateTmp=yes"} <= set(lines)
