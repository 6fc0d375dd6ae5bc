"""`python -m simulation.world`: plays seeds and says what befell them. Exit 1 when a promise was broken."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from simulation.world.play import play, play_many, replay


def main() -> int:
    asked = _arguments()
    if asked.trace:
        return _traced(asked.first)
    began, counts, steps, broken = time.monotonic(), Counter[str](), 0, 0
    for result in play_many(asked.first, asked.seeds, asked.jobs):
        counts += result.counts
        steps += result.steps
        if result.fault:
            broken += 1
            print(f"{result.fault}\n  {replay(result.seed)}", flush=True)
    took = time.monotonic() - began
    print(f"{asked.seeds} seeds in {took:.0f} s ({asked.seeds / took:.1f} a second), {steps} steps, {broken} broken")
    print(", ".join(f"{what} {count}" for what, count in sorted(counts.items())))
    return 1 if broken else 0


def _traced(seed: int) -> int:
    lines: list[str] = []
    result = play(seed, lines)
    sys.stdout.writelines(lines)
    print(f"hash {result.hash}\n{result.fault or 'every promise was kept'}")
    return 1 if result.fault else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulation.world", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="cores to use (default 1)")
    parser.add_argument("--trace", action="store_true", help="play the first seed alone and print all that happens")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
