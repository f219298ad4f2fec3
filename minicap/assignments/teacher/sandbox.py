"""A place for code that is not trusted: no network, a read-only file system, limits on resources.

Bubblewrap where it is installed, else namespaces of the kernel (namespaces.py); without either, grading
refuses.  Inside are Python's own library, NumPy, the handout and the submission: not the reference, not the
hidden trials, not the home folder.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from minicap.assignments.running import Worker
from minicap.errors import InputError

HANDOUT, SUBMISSION, PACKAGES = "/handout", "/submission", "/packages"
LIBRARIES = ("numpy", "PIL", "threadpoolctl")  # what minicap needs
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")
_PROBE = 20.0  # seconds
START = 60.0  # seconds that importing a submission may take; a busy machine takes a few

MISSING = (
    "there is no sandbox here: install bubblewrap (apt install bubblewrap, dnf install "
    "bubblewrap), or allow unprivileged user namespaces; on macOS and Windows use a Linux machine, WSL or "
    "Gradescope. --unsafe runs the submissions as ordinary programs of yours, which may read and delete all "
    "that you may"
)


@dataclass(frozen=True)
class Limits:
    """What one process of a submission may take.  memory, file, scratch: bytes.  cpu: seconds."""

    memory: int = 2 << 30
    cpu: int = 20
    file: int = 16 << 20
    files: int = 64
    processes: int = 64
    scratch: int = 64 << 20

    def as_worker(self) -> dict[str, int]:
        names = ("memory", "cpu", "file", "files", "processes")
        return {name: getattr(self, name) for name in names}


def choose(unsafe: bool = False) -> str:
    """The kind of sandbox: "bubblewrap", "namespaces", or, when asked for, "none".

    Raises InputError where there is no sandbox and unsafe is False.
    """
    if unsafe:
        if not hasattr(os, "fork"):
            raise InputError("grading needs a system with fork: Linux, macOS, or WSL on Windows")
        return "none"
    for kind in ("bubblewrap", "namespaces"):
        if works(kind):
            return kind
    raise InputError(MISSING)


@cache
def works(kind: str) -> bool:
    """Whether a sandbox of this kind starts a Python with NumPy here."""
    if sys.platform != "linux" or (kind == "bubblewrap" and not shutil.which("bwrap")):
        return False
    import tempfile

    with tempfile.TemporaryDirectory(prefix="minicap-sandbox-") as folder:
        root = Path(folder) / "root"
        root.mkdir()
        command = [*prefix(kind, root, []), *python(), "-c", "import numpy"]
        try:
            done = subprocess.run(
                command, env=variables(kind), cwd="/", capture_output=True, timeout=_PROBE, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0


def worker(
    kind: str,
    root: Path,
    handout: Path,
    submission: Path,
    module: str,
    file: str,
    limits: Limits,
    calls: str = "",
) -> Worker:
    """A worker in a sandbox, in which `module` of the handout is the submission's `file`.

    root: an empty folder to build the sandbox's file system in.  calls: see Worker.
    """
    inside = kind != "none"
    place = SUBMISSION if inside else str(submission)
    settings = limits.as_worker() | {"instead": {module: f"{place}/{file}"}, "first": module}
    shown = [(handout, HANDOUT), (submission, SUBMISSION)]
    command = [*prefix(kind, root, shown, limits), *python(), "-m", "minicap.assignments.worker"]
    own = variables(kind, handout) | {"MINICAP_WORKER": json.dumps(settings)}
    return Worker(command, own, Path("/") if inside else submission, forks=True, start=START, calls=calls)


def compile_once(handout: Path, modules: Sequence[str], calls: str) -> None:
    """Leave bytecode of what workers import in a handout: each of them would compile it again.

    The handout is the grader's own; a student's file is compiled in the sandbox alone.
    """
    script = (
        "import contextlib, importlib, sys\n"
        "for name in sys.argv[2:]:\n"
        "    with contextlib.suppress(Exception):\n"
        "        importlib.import_module(name)\n"
        "exec(sys.argv[1])\n"
    )
    own = variables("none", handout)
    del own["PYTHONDONTWRITEBYTECODE"]
    command = [*python(), "-c", script, calls, "minicap.assignments.worker", *modules]
    subprocess.run(command, env=own, cwd=handout, capture_output=True, timeout=START, check=False)


def python() -> list[str]:
    """The interpreter outside of any environment, without its packages: minicap itself may be among them."""
    interpreter = Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)
    return [str(interpreter.resolve()), "-S", "-s"]


def variables(kind: str, handout: Path | None = None) -> dict[str, str]:
    """The environment variables of code in a sandbox: none of the grader's own."""
    if kind == "none":
        packages = sorted({str(path.parent) for path in libraries()})
        search = [str(handout), *packages] if handout else packages
        path = os.environ.get("PATH", "")
    else:
        search, path = [HANDOUT, PACKAGES], "/usr/bin:/bin"
    return {
        "PATH": path,
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(search),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def prefix(
    kind: str, root: Path, shown: Sequence[tuple[Path, str]], limits: Limits | None = None
) -> list[str]:
    """What stands in front of a command that is to run in a sandbox."""
    limits = limits or Limits()
    if kind == "none":
        return []
    readable = [(str(path), target) for path, target in shown]
    readable += [(str(path), f"{PACKAGES}/{path.name}") for path in libraries()]
    base = str(Path(sys.base_prefix).resolve())
    readable += [(path, path) for path in SYSTEM if os.path.exists(path)]
    if not base.startswith("/usr"):
        readable.append((base, base))
    if kind == "namespaces":
        specification = {"root": str(root), "readable": readable, "hidden": _hidden(), "size": limits.scratch}
        script = str(Path(__file__).with_name("namespaces.py"))
        return [*python(), script, json.dumps(specification)]
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1"]
    command += ["--cap-drop", "ALL", "--uid", "65534", "--gid", "65534"]
    for source, target in readable:
        command += ["--ro-bind", source, target]
    for folder in _hidden():
        command += ["--tmpfs", folder, "--remount-ro", folder]
    command += ["--proc", "/proc", "--dev", "/dev", "--size", str(limits.scratch), "--tmpfs", "/tmp"]
    return [*command, "--chdir", "/tmp", "--"]


@cache
def libraries() -> tuple[Path, ...]:
    """Where the packages that minicap needs lie, with the shared libraries beside them."""
    found: list[Path] = []
    for name in LIBRARIES:
        specification = find_spec(name)
        if specification is None or specification.origin is None:
            raise InputError(f"{name} is not installed")
        path = Path(specification.origin)
        path = path.parent if path.name == "__init__.py" else path
        beside = {"PIL": "pillow.libs"}.get(name, f"{name}.libs")
        found += [p for p in (path, path.parent / beside) if p.exists()]
    return tuple(found)


def _hidden() -> list[str]:
    """Folders of packages inside what is shown; minicap itself may lie in one."""
    scheme = {"base": sys.base_prefix, "platbase": sys.base_prefix}
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = {
        sysconfig.get_path("purelib", vars=scheme),
        sysconfig.get_path("platlib", vars=scheme),
        f"{sys.base_prefix}/lib/{version}/site-packages",
        "/usr/lib/python3/dist-packages",
        f"/usr/local/lib/{version}/dist-packages",
        f"/usr/local/lib/{version}/site-packages",
    }
    shown = ("/usr/", str(Path(sys.base_prefix).resolve()))
    real = {str(Path(folder).resolve()) for folder in folders if os.path.isdir(folder)}
    return sorted(folder for folder in real if folder.startswith(shown))
