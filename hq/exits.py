"""What the commands' exit codes mean."""

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 78  # sysexits' EX_CONFIG; the unit does not restart on it
