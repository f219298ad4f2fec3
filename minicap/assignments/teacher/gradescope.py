"""The zip that Gradescope wants: what sets its machine up, and what grades one submission there."""

from pathlib import Path

from minicap.assignments import archive
from minicap.assignments.manifest import PACKAGE, Assignment
from minicap.errors import InputError
from minicap.formats.atomic import atomic_write_bytes

SETUP = """#!/usr/bin/env bash
set -e
apt-get update && apt-get install -y python3 python3-venv bubblewrap
python3 -m venv /autograder/python
/autograder/python/bin/pip install "numpy>=2.0" "pillow>=10.3" "threadpoolctl>=3.5"
chmod -R go-rwx /autograder/source
"""
RUN = """#!/usr/bin/env bash
cd /autograder/source
export PYTHONPATH=/autograder/source
exec /autograder/python/bin/python -m minicap assign grade {id} /autograder/submission \\
    --gradescope /autograder/results/results.json{unsafe}
"""
_LEFT_OUT = ("__pycache__", ".safetensors", "/sample/images/", "/backend/gpu/")


def write(assignment: Assignment, target: Path, unsafe: bool = False) -> int:
    """Write the zip; returns how many files are in it.  Raises InputError unless it ends in .zip.

    unsafe: grade without a sandbox, where Gradescope's machine allows none.
    """
    if target.suffix != ".zip":
        raise InputError(f"{target} must end in .zip")
    root = PACKAGE.parent
    files = {
        "setup.sh": SETUP.encode(),
        "run_autograder": RUN.format(id=assignment.id, unsafe=" --unsafe" if unsafe else "").encode(),
    }
    for folder in (PACKAGE, assignment.folder):
        for file in sorted(folder.rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.is_file() and not any(part in path for part in _LEFT_OUT):
                files[path] = file.read_bytes()
    for name in ("pyproject.toml", "setup.py", "LICENSE", "README.md"):
        files[name] = (root / name).read_bytes()
    atomic_write_bytes(target, archive.zipped(files))
    return len(files)
