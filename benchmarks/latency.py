"""From the last byte of a scan on the serial line to its row committed at headquarters, at 20 scans a second, through
the agent, the broker and ingest as they are shipped.

Beside it what the same run needs for a bare round trip: a row inserted and committed on the same database.
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import psycopg

from benchmarks.figures import Figure, show
from benchmarks.scene import Scene
from devices.scanner_serial.simulator import checked
from devices.simulator import Message, PtyWay
from simulation.feeds import Feed
from simulation.processes import wait_for

RATE = 20
SCANS = 600
WARM = 100
LOOK_S = 0.004
OVERTAKEN = 200  # a scan may be committed after later ones, by the other worker
WAIT_S = 120.0


class Watch:
    """Notes when each code is first seen in the table, on a connection and a thread of its own."""

    def __init__(self, dsn: str) -> None:
        self.seen: dict[str, float] = {}
        self.stop = threading.Event()
        self._connection = psycopg.connect(dsn, autocommit=True)
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        last = 0
        while not self.stop.wait(LOOK_S):
            rows = self._connection.execute("SELECT seq, code FROM scan WHERE seq > %s", [last - OVERTAKEN]).fetchall()
            now = time.perf_counter()
            for seq, code in rows:
                self.seen.setdefault(code, now)
                last = max(last, seq)

    def commit_ms(self) -> float:
        """The median of a row's own insert and commit here."""
        self._connection.execute("CREATE TABLE bare_round_trip (code text)")
        took = []
        for number in range(100):
            began = time.perf_counter()
            self._connection.execute("INSERT INTO bare_round_trip VALUES (%s)", [str(number)])
            took.append(time.perf_counter() - began)
        return statistics.median(took) * 1000


def main() -> None:
    rng, way = Random(1), PtyWay()
    codes = [checked(f"69{number:010d}") for number in rng.sample(range(10**10), WARM + SCANS)]
    with TemporaryDirectory() as folder, Scene(Path(folder)) as scene:
        feed = Feed("scan-1", "scanner-serial", {"role": "sale"}, iter(()))
        scene.agent.configure([feed], {"scan-1": {"port": way.port}})
        scene.agent.start()
        scene.agent.await_ready()
        wait_for("the scanner", WAIT_S, lambda: way.listening)
        watch = Watch(scene.dsn)
        said = {}
        began = time.perf_counter()
        for number, code in enumerate(codes):
            time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            way.say(Message("serial", f"]E0{code}\r".encode()))
            said[code] = time.perf_counter()
        wait_for("every scan", WAIT_S, lambda: len(watch.seen) >= len(codes))
        took = sorted((watch.seen[code] - said[code]) * 1000 for code in codes[WARM:])
        bare = watch.commit_ms()
        watch.stop.set()
    show(
        [
            Figure("latency_p50_ms", took[len(took) // 2], "ms", bare),
            Figure("latency_p99_ms", took[len(took) * 99 // 100], "ms", bare),
        ]
    )


if __name__ == "__main__":
    main()
