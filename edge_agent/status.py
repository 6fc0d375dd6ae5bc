"""`edge-agent status`: asks the running daemon how it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from config import load
from edge_agent.exits import Exit
from edge_agent.window import SOCKET, CannotAnswer, ask

ANSWER_S = 10.0


def main(path: Path) -> int:
    """Prints what the daemon of this configuration says; 1 when none answers."""
    folder = load(path).data_dir
    try:
        said = ask(folder, "status", ANSWER_S)
    except OSError as fault:
        print(f"no agent answers at {folder / SOCKET} ({fault.strerror}); is it running?", file=sys.stderr)
        return Exit.FAILED
    except CannotAnswer as fault:
        print(fault, file=sys.stderr)
        return Exit.FAILED
    print(json.dumps(said, indent=2, ensure_ascii=False))
    return Exit.DONE
