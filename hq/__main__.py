"""`python -m hq`."""

import sys

from hq.cli import main

if __name__ == "__main__":
    sys.exit(main())
