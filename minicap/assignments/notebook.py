"""The commands of `minicap assign` in a cell of a notebook."""

import subprocess
import sys

from minicap.assignments.manifest import PACKAGE


def check(*names: str) -> bool:
    """Run `minicap assign check` on exercises, or all; returns whether they pass.

    The code is read afresh from its files, so the kernel needs no restart for it.
    """
    command = [sys.executable, "-m", "minicap", "assign", "check", *names]
    done = subprocess.run(
        command, cwd=PACKAGE.parent, capture_output=True, encoding="utf-8", errors="replace"
    )
    sys.stdout.write(done.stdout + done.stderr)
    return done.returncode == 0


def hint(*names: str) -> None:
    """Run `minicap assign hint`."""
    command = [sys.executable, "-m", "minicap", "assign", "hint", *names]
    done = subprocess.run(
        command, cwd=PACKAGE.parent, capture_output=True, encoding="utf-8", errors="replace"
    )
    sys.stdout.write(done.stdout + done.stderr)
