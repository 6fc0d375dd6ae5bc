"""Cuts the power of a virtual machine that runs the agent as a service, again and again, and looks at its disk.

    python -m tests.faults.machine FOLDER SEED CUTS

A Debian under qemu's emulation boots from an image of its own that every boot finds as it was made; all that changes
lies on a second disk, mounted on /var/lib/store-edge: the agent's buffer and a till's drop folder. The machine tells
over a serial line which files the agent has taken. A cut is SIGKILL to qemu: what the guest had not yet given to its
disk is gone. After each, a copy of the disk is recovered as a boot would, and the tickets of every file told so far are
looked for in the buffer. Prints a JSON object: what was done, and what was found. Needs root, qemu-system-x86,
debootstrap, e2fsprogs and a Debian mirror; FOLDER keeps the tree and the image, which a second run uses again.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from textwrap import dedent

import yaml

from tests.faults.disk import ROOT
from tests.faults.till import Till

NEEDED = ("qemu-system-x86_64", "debootstrap", "mke2fs", "e2fsck", "debugfs")
PACKAGES = "systemd,systemd-sysv,udev,python3,linux-image-cloud-amd64"
STATE, FEED = Path("/var/lib/store-edge"), Path("/srv/feed")
HARDWARE = ("-machine", "accel=tcg", "-cpu", "max,la57=off", "-smp", "2", "-m", "1024", "-nic", "none", "-no-reboot")
AT_LEAST = 10
FILES_A_LIFE = 400
LONGEST_S = 8.0
BOOT_S = 900.0


def run(*argv: object) -> None:
    """A program that has to end well."""
    done = subprocess.run([str(arg) for arg in argv], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{argv[0]} ended with {done.returncode}: {(done.stderr or done.stdout).decode()[-2000:]}")


# --- the machine ------------------------------------------------------------------------------------------------------


def build(tree: Path, till: Till, files: int) -> None:
    """A Debian with the agent installed as docs and unit have it, its configuration, and the files to feed it with."""
    if not (tree / "etc").exists():
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", tree)
    _install(tree)
    etc = tree / "etc/store-edge"
    shutil.rmtree(etc, ignore_errors=True)
    shutil.copytree(till.config.parent, etc)
    config = yaml.safe_load(till.config.read_text())
    config["data_dir"], config["devices"][0]["path"] = str(STATE / "agent"), str(STATE / "drop")
    (etc / "store.yaml").write_text(yaml.safe_dump(config))
    run("chroot", tree, "chown", "-R", "store-edge:store-edge", "/etc/store-edge")
    feed = tree / FEED.relative_to("/")
    shutil.rmtree(feed, ignore_errors=True)
    feed.mkdir(parents=True)
    for message in till.made(files):
        (feed / message.name).write_bytes(message.body)


def _install(tree: Path) -> None:
    place, lib = tree / "opt/store-edge", tree / "opt/store-edge/lib"
    shutil.rmtree(place, ignore_errors=True)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--target", lib)
    guest = ("--python-version", "3.11", "--only-binary", ":all:", "--require-hashes")
    run(*pip, *guest, "-r", ROOT / "requirements/agent.lock")
    with tempfile.TemporaryDirectory() as copy:  # building leaves files beside the source
        source = Path(copy) / "source"
        shutil.copytree(
            ROOT, source, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests", "build", "*.egg-info")
        )
        run(*pip, "--no-deps", "--no-build-isolation", source)
    run("chroot", tree, "python3", "-m", "compileall", "-q", "/opt/store-edge/lib")
    _write(place / "bin/edge-agent", _AGENT, 0o755)
    _write(place / "feeder.py", Path(__file__).with_name("guest_feeder.py").read_text(), 0o644)
    units = tree / "etc/systemd/system"
    _write(units / "store-edge-agent.service", (ROOT / "systemd/store-edge-agent.service").read_text(), 0o644)
    _write(units / "store-edge-agent.service.d/loud.conf", _LOUD, 0o644)
    _write(units / "feeder.service", _FEEDER, 0o644)
    _write(tree / "usr/lib/sysusers.d/store-edge.conf", (ROOT / "systemd/sysusers.conf").read_text(), 0o644)
    _write(tree / "etc/fstab", f"/dev/vdb {STATE} ext4 defaults 0 0\n", 0o644)
    run("chroot", tree, "systemd-sysusers")
    run("chroot", tree, "systemctl", "enable", "store-edge-agent.service", "feeder.service")
    (tree / STATE.relative_to("/")).mkdir(exist_ok=True)


def _write(path: Path, content: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)


_AGENT = dedent("""\
    #!/usr/bin/python3
    import sys
    sys.path.insert(0, "/opt/store-edge/lib")
    from edge_agent.cli import main
    sys.exit(main())
    """)
_LOUD = "[Service]\nStandardError=journal+console\n"
_FEEDER = dedent(f"""\
    [Unit]
    After=store-edge-agent.service
    [Service]
    ExecStartPre=/usr/bin/install -d -o store-edge -g store-edge {STATE}/drop
    ExecStart=/usr/bin/python3 /opt/store-edge/feeder.py {FEED} {STATE}/drop /dev/ttyS1
    [Install]
    WantedBy=multi-user.target
    """)


class Machine:
    """Its disks. heard: names of files that it has told in all its lives; done: all of this life's files are taken."""

    def __init__(self, work: Path, tree: Path) -> None:
        self._work, self._boot = work, tree / "boot"
        self.system, self.disk = work / "system.img", work / "disk.img"
        self.heard: list[str] = []
        self.done = False
        self._begun = ""
        for image in (self.system, self.disk):
            image.unlink(missing_ok=True)
        run("mke2fs", "-q", "-t", "ext4", "-d", tree, self.system, "1500M")
        run("mke2fs", "-q", "-t", "ext4", self.disk, "1500M")

    def live(self, first: int, last: int, longer_s: float) -> int:
        """Boots, drops these files, and is cut off some time after enough of them were told; how many were."""
        before = len(self.heard)
        with self._booted(first, last) as qemu:
            self._listen(qemu, lambda: len(self.heard) - before >= AT_LEAST, BOOT_S)
            if len(self.heard) - before < AT_LEAST:
                raise SystemExit(f"the machine took too few files; see {self._work / 'console.log'}")
            self._listen(qemu, lambda: False, longer_s)
        return len(self.heard) - before

    def finish(self) -> None:
        """Boots until what is left in the drop folder is taken."""
        with self._booted(0, 0) as qemu:
            self._listen(qemu, lambda: False, BOOT_S)
        if not self.done:
            raise SystemExit("the last life did not take what was left in the drop folder")

    @contextmanager
    def _booted(self, first: int, last: int) -> Iterator[subprocess.Popen[bytes]]:
        """A life, ended by SIGKILL."""
        self.done, self._begun = False, ""
        with subprocess.Popen(self._qemu(first, last), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
            try:
                yield qemu
            finally:
                qemu.kill()
            while self._hear(qemu):
                pass

    def _qemu(self, first: int, last: int) -> list[str]:
        (kernel,), (initrd,) = self._boot.glob("vmlinuz-*"), self._boot.glob("initrd.img-*")
        system = f"file={self.system},if=virtio,format=raw,snapshot=on"
        disk = f"file={self.disk},if=virtio,format=raw"
        says = f"root=/dev/vda rw console=ttyS0 quiet mitigations=off audit=0 feed={first}-{last}"
        console = f"file:{self._work / 'console.log'}"
        boot = ["-kernel", str(kernel), "-initrd", str(initrd), "-append", says]
        lines = ["-display", "none", "-monitor", "none", "-serial", console, "-serial", "stdio"]
        return ["qemu-system-x86_64", *HARDWARE, *boot, *lines, "-drive", system, "-drive", disk]

    def _listen(self, qemu: subprocess.Popen[bytes], enough: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not enough() and not self.done and (left := until - time.monotonic()) > 0:
            if select.select([_line(qemu)], [], [], left)[0]:
                self._hear(qemu)
            if qemu.poll() is not None:
                raise SystemExit(f"qemu ended by itself with {qemu.returncode}; see {self._work / 'console.log'}")

    def _hear(self, qemu: subprocess.Popen[bytes]) -> bool:
        """Takes what the line has said; whether it has said something. A line cut short tells nothing."""
        said = os.read(_line(qemu), 65536)
        *lines, self._begun = (self._begun + said.decode(errors="replace")).split("\n")
        names = [line.strip() for line in lines]
        self.done = self.done or "done" in names
        self.heard += [name for name in names if name.endswith(".csv")]
        return bool(said)


def _line(qemu: subprocess.Popen[bytes]) -> int:
    """Where the guest's serial line comes out."""
    if qemu.stdout is None:
        raise ValueError("qemu was started without a pipe")
    return qemu.stdout.fileno()


# --- looking ----------------------------------------------------------------------------------------------------------


class Look:
    """At copies of the disk. found: what was found broken; recovered: disks with a journal that had to be replayed."""

    def __init__(self, work: Path, till: Till) -> None:
        self._work, self._till = work, till
        self.found: Counter[str] = Counter()
        self.recovered = self.kept = 0

    def at(self, machine: Machine) -> None:
        copy, out = self._work / "copy.img", self._work / "found"
        run("cp", "--sparse=always", machine.disk, copy)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        checked = subprocess.run(["e2fsck", "-fy", copy], capture_output=True, text=True, check=False)
        self.recovered += "recovering journal" in checked.stdout + checked.stderr
        self.found["file system"] += checked.returncode > 1
        run("debugfs", "-R", f"rdump /agent {out}", copy)
        told = sum((self._till.files[name] for name in machine.heard), Counter[str]())
        kept = self._till.kept(out / "agent")
        self.kept = kept.total()
        self.found["lost"] += (told - kept).total()
        self.found["doubled"] += sum(count - 1 for count in kept.values())
        self.found["set aside"] += len(list(out.glob("agent/*.damaged-*")))


def main(folder: str, seed: str, cuts: str) -> None:
    work, random, began = Path(folder), Random(int(seed)), time.monotonic()
    shutil.rmtree(work / "till", ignore_errors=True)
    (work / "till").mkdir(parents=True)
    till = Till(work / "till", int(seed))
    build(work / "tree", till, int(cuts) * FILES_A_LIFE)
    machine, look, moved = Machine(work, work / "tree"), Look(work, till), []
    for cut in range(int(cuts)):
        moved.append(machine.live(cut * FILES_A_LIFE, (cut + 1) * FILES_A_LIFE, random.uniform(0, LONGEST_S)))
        look.at(machine)
        print(f"cut {cut + 1}: {moved[-1]} files told, {look.kept} tickets kept, {dict(look.found)}", flush=True)
    machine.finish()
    look.at(machine)
    told = sum((till.files[name] for name in machine.heard), Counter[str]())
    report = {
        "cuts": len(moved),
        "fewest_files": min(moved),
        "files": len(machine.heard),
        "tickets": told.total(),
        "kept": look.kept,
        "recovered": look.recovered,
        "found": +look.found,
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
