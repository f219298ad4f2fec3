"""Other Python processes, whose id and end are known."""

import os
import subprocess
import sys
from typing import Any


def start_python(*args: object, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen:
    """Start this Python with these arguments, as subprocess.Popen does.

    In a virtual environment on Windows, python.exe is a launcher: a child of it does the work, under another
    process id, and outlives it for a moment.  So the interpreter itself is started, and told its environment.
    """
    program, environment = sys.executable, dict(os.environ if env is None else env)
    if sys.platform == "win32" and sys.prefix != sys.base_prefix:
        program, environment["__PYVENV_LAUNCHER__"] = sys._base_executable, sys.executable
    return subprocess.Popen([program, *map(str, args)], env=environment, **options)
