"""`python -m minicap` is `minicap`."""

import sys

from minicap.cli import main

if __name__ == "__main__":
    sys.exit(main())
