"""The tests under other processors, threads, users, orders, versions: a row each.

    python -m tools.matrix [ROW ...]      all rows by default; --list names them

Each environment holds a copy of the tree and what the README's test command installs.  A row that cannot be
run here says why and counts as no failure.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tools import bare

NOBODY = 65534  # the number of the user nobody wherever there is one
FLAGS = {"Haswell": "avx2", "Zen": "avx2", "SkylakeX": "avx512vl", "Sandybridge": "avx"}


class Impossible(Exception):
    """The row cannot be run here."""


@dataclass(frozen=True)
class Row:
    """One way to run the tests.

    variables: of the environment.  python: version, or this one.  oldest: with the oldest packages that the
    metadata allow.  packages, options: what pytest gets besides.
    user: "root", "ordinary" or whoever runs this.  cache: whether its cache folder can be written to.
    """

    about: str
    variables: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    oldest: bool = False
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    user: str = ""
    cache: bool = True


ROWS = {
    **{name.lower(): Row(f"BLAS kernels for {name}", {"OPENBLAS_CORETYPE": name}) for name in FLAGS},
    "narrow": Row("NumPy without its wider vector instructions", {"NPY_DISABLE_CPU_FEATURES": "all of them"}),
    "one-thread": Row("BLAS with one thread", {"OPENBLAS_NUM_THREADS": "1"}),
    "two-threads": Row("BLAS with two threads", {"OPENBLAS_NUM_THREADS": "2"}),
    "no-autotune": Row("the default of every choice", {"MINICAP_AUTOTUNE": "0"}),
    "autotune": Row("choices measured here", {"MINICAP_AUTOTUNE": "1"}),
    "read-only-cache": Row(
        "a cache folder nobody can write to", {"MINICAP_AUTOTUNE": "1"}, user="ordinary", cache=False
    ),
    "root": Row("as root", user="root"),
    "ordinary-user": Row("as an ordinary user", user="ordinary"),
    "random-order": Row(
        "tests in random order",
        packages=("pytest-randomly",),
        options=("-p", "randomly", "--randomly-seed=9"),
    ),
    **{
        f"cupy{version.partition('.')[0]}": Row(
            f"CuPy {version} without a driver, and without CUDA's libraries",
            packages=(f"cupy-cuda12x=={version}.*",),
            options=("tests/backend/gpu/test_real_cupy.py", "tests/backend/gpu/test_loading.py"),
        )
        for version in ("13.4", "14")
    },
    "oldest": Row("the oldest packages that the metadata allow", oldest=True),
    **{f"python{v}": Row(f"Python {v}", python=v) for v in ("3.11", "3.12", "3.13")},
}


class Place(NamedTuple):
    """Where rows with the same needs run."""

    tree: Path
    python: str
    home: Path
    user: int | None


class Result(NamedTuple):
    """What became of a row."""

    passed: int
    failed: int
    skipped: int
    seconds: float
    output: str


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: every row that could be run passed, 1: one failed, 2: there is no such row."""
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tools.matrix", description=about)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--list", action="store_true", help="say what the rows are, run nothing")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep what pytest says, a file for each row")
    args = parser.parse_args(argv)
    if unknown := set(args.rows) - set(ROWS):
        parser.error(f"no row is called {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    names = args.rows or list(ROWS)
    if args.list:
        print("\n".join(f"{name:16} {ROWS[name].about}" for name in names))
        return 0
    bad = False
    print(f"{'row':16} {'passed':>7} {'failed':>7} {'skipped':>7} {'seconds':>8}  what", flush=True)
    with tempfile.TemporaryDirectory(prefix="minicap-matrix-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        places: dict[tuple[object, ...], Place] = {}
        for name in names:
            row = ROWS[name]
            try:
                result = run(row, Path(folder), places)
            except Impossible as why:
                print(f"{name:16} {'not run':>32}  {row.about}: {why}", flush=True)
                continue
            counts = f"{result.passed:7} {result.failed:7} {result.skipped:7} {result.seconds:8.0f}"
            print(f"{name:16} {counts}  {row.about}", flush=True)
            if args.logs:
                args.logs.mkdir(parents=True, exist_ok=True)
                (args.logs / f"{name}.txt").write_text(result.output, encoding="utf-8")
            if result.failed or not result.passed:
                bad = True
                print("\n".join(result.output.splitlines()[-80:]), flush=True)
    return int(bad)


def run(row: Row, folder: Path, places: dict[tuple[object, ...], Place]) -> Result:
    """The tests as the row says.  Raises Impossible."""
    kind = (row.python, row.oldest, row.packages, row.user)
    if kind not in places:
        places[kind] = make_place(row, folder / f"place{len(places)}")
    place = places[kind]
    variables = bare.variables({"HOME": str(place.home), **row.variables})
    if not row.cache:
        (cache := place.home / "read-only").mkdir(mode=0o555)
        variables["MINICAP_CACHE"] = str(cache)
    if "NPY_DISABLE_CPU_FEATURES" in variables:
        variables["NPY_DISABLE_CPU_FEATURES"] = wider_instructions(place)
    check_kernels(place, variables)
    started = time.monotonic()
    command = [place.python, "-m", "pytest", *row.options]
    done = call(command, place, variables)
    last = next(iter(done.stdout.splitlines()[::-1]), "")
    count = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    failed = count.get("failed", 0) + count.get("error", 0)
    if done.returncode and not failed:
        failed = 1  # it did not even come to its summary
    seconds = time.monotonic() - started
    return Result(
        count.get("passed", 0), failed, count.get("skipped", 0), seconds, f"{done.stdout}\n{done.stderr}"
    )


def make_place(row: Row, folder: Path) -> Place:
    """A copy of the tree with an environment of its own.  Raises Impossible."""
    user = user_number(row.user)
    python = find_python(row.python, user)
    tree, home = bare.copy_tree(folder / "minicap"), folder / "home"
    home.mkdir()
    place = Place(tree, bare.make_environment(folder / "environment", python), home, user)
    pip = [place.python, "-m", "pip", "install", "--quiet", "-e", ".[test]", *row.packages]
    if row.oldest:
        (folder / "oldest.txt").write_text("\n".join(oldest(tree)), encoding="utf-8")
        pip += ["-c", str(folder / "oldest.txt")]
    done = subprocess.run(
        pip, cwd=tree, env=bare.variables(), capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        reason = " ".join([line for line in done.stderr.splitlines() if line.startswith("ERROR")][-1:])
        if row.packages:  # what a row needs besides may be missing here; minicap itself must install
            raise Impossible(f"{' '.join(row.packages)} cannot be had: {reason}")
        raise SystemExit(f"{row.about}: {' '.join(pip)}: {reason}")
    if user is not None:
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink() and (folder / "environment") not in path.parents:
                os.chown(path, user, user)
    return place


def user_number(user: str) -> int | None:
    """The user to become, None for the one who runs this.  Raises Impossible."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if user == "root" and not root:
        raise Impossible("root alone can run it")
    return NOBODY if user == "ordinary" and root else None


def find_python(version: str, user: int | None) -> str:
    """A Python of this version, or this one, that the user may run.  Raises Impossible."""
    versions = [version] if version else [f"3.{minor}" for minor in range(sys.version_info.minor, 10, -1)]
    candidates = [] if version else [sys.executable]
    for each in versions:
        name = f"python{each}"
        candidates += [name, f"/usr/bin/{name}", f"/usr/local/bin/{name}"]
        candidates += map(str, Path.home().glob(f".pyenv/versions/{each}.*/bin/{name}"))
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if path := shutil.which(candidate):
            try:
                found = subprocess.run(
                    [path, "-c", ask],
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    user=user,
                    cwd="/",
                )
            except PermissionError:
                continue
            if found.returncode == 0 and found.stdout.strip() in versions:
                return path
    raise Impossible(f"there is no Python {version}".rstrip() + (" that this user may run" if user else ""))


def oldest(tree: Path) -> list[str]:
    """The lower bounds of what minicap and its tests need, as pip's constraints."""
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["test"]
    return [line.replace(">=", "==") for line in needed]


def wider_instructions(place: Place) -> str:
    """What NumPy uses here beyond what every processor has.  Raises Impossible where there is nothing."""
    names = "__cpu_dispatch__ as names, __cpu_features__ as has"
    ask = f"from numpy._core._multiarray_umath import {names}; print(*(n for n in names if has[n]))"
    if found := call([place.python, "-c", ask], place, bare.variables()).stdout.strip():
        return found
    raise Impossible("NumPy has no other code for this processor")


def check_kernels(place: Place, variables: Mapping[str, str]) -> None:
    """Raises Impossible where BLAS lacks the kernels that are asked for, or the processor cannot run them."""
    if not (asked := variables.get("OPENBLAS_CORETYPE")):
        return
    cpu = Path("/proc/cpuinfo")
    if FLAGS[asked] not in (cpu.read_text().split() if cpu.exists() else ()):
        raise Impossible(f"the processor does not say that it has {FLAGS[asked]}")
    ask = "import json, numpy, threadpoolctl; print(json.dumps(threadpoolctl.threadpool_info()))"
    told = json.loads(call([place.python, "-c", ask], place, variables).stdout)
    kernels = {library.get("architecture") for library in told if library.get("user_api") == "blas"}
    if kernels != {asked}:
        raise Impossible(f"BLAS answers with its kernels for {', '.join(map(str, kernels))}")


def call(
    command: Sequence[str], place: Place, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command in the place as its user."""
    who: dict[str, Any] = {}
    if place.user is not None:
        who = dict(user=place.user, group=place.user, extra_groups=[])
    return subprocess.run(
        command, cwd=place.tree, env=variables, capture_output=True, encoding="utf-8", errors="replace", **who
    )


if __name__ == "__main__":
    sys.exit(main())
