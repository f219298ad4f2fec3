"""python -m benchmarks"""

import signal
import sys

from benchmarks.command import main

if __name__ == "__main__":
    # A terminated run ends its workers and hands out what it has, as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
