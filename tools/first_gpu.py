"""Everything there is to find out on a machine with a GPU, in one report:  python -m tools.first_gpu

tests        pytest -m gpu
long         recurrent layers of 512 units over 1000 steps, again and again, compared bit for bit
memcheck, racecheck, synccheck, initcheck
             the tests under NVIDIA's compute-sanitizer, without CuPy's memory pool, which hides faults
benchmarks   python -m benchmarks --gpu

A part that fails stops no other.  The folder gets report.md, report.json and the output of every part; the
reports are written anew after each, so that a run that is killed has lost nothing.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu import describe
from benchmarks.markdown import lines_of
from minicap import __version__
from minicap.errors import MinicapError
from minicap.formats import atomic_write_text
from tools import bare

SANITIZER = "compute-sanitizer"
LONG = "tests/gpu/test_long_runs.py"
PACKAGES = ("numpy", "cupy", "cupy-cuda12x", "cupy-cuda13x", "torch", "pytest")
_UNPOOLED = "import sys, cupy, pytest; cupy.cuda.set_allocator(None); sys.exit(pytest.main(sys.argv[1:]))"
_ASK_TOO_MUCH = "out_of_memory or do_not_fit"  # tests whose refused memory the checks would report
_TAIL = 40  # lines of its output that the report shows of a part that failed


class Part(NamedTuple):
    """program: what must be on the path.  shows_output: whether the report ends with its output anyway."""

    about: str
    command: Sequence[str]
    program: str = ""
    shows_output: bool = False


def parts(folder: Path) -> dict[str, Part]:
    """What to run, by name, in this order."""
    python = sys.executable
    tests = ("-m", "gpu", "-q", "-p", "no:cacheprovider", "-o", "timeout=0")
    checks = {
        tool: Part(
            f"the tests under {SANITIZER} --tool {tool}",
            (
                *(SANITIZER, "--tool", tool, "--error-exitcode", "99", "--target-processes", "all"),
                *(python, "-c", _UNPOOLED, *tests, f"--ignore={LONG}", "-k", f"not ({_ASK_TOO_MUCH})"),
            ),
            SANITIZER,
        )
        for tool in ("memcheck", "racecheck", "synccheck", "initcheck")
    }
    measure = (python, "-m", "benchmarks", "--gpu", "--json", str(folder / "benchmarks.json"))
    return {
        "tests": Part("pytest -m gpu", (python, "-m", "pytest", *tests, f"--ignore={LONG}")),
        "long": Part("long recurrent runs, bit for bit", (python, "-m", "pytest", *tests, LONG)),
        **checks,
        "benchmarks": Part("python -m benchmarks --gpu", measure, shows_output=True),
    }


def run(part: Part, log: Path, limit: float) -> dict[str, Any]:
    """Run a part, its output into the file `log`; its state is passed, failed, skipped or out of time."""
    found: dict[str, Any] = {"about": part.about, "command": list(part.command), "log": log.name}
    if part.program and shutil.which(part.program) is None:
        return found | {"state": "skipped", "last_line": f"{part.program} is not installed", "tail": ""}
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            part.command, cwd=bare.ROOT, env=_variables(), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            code = process.wait(limit)
            state = "failed" if code else "passed"
        except subprocess.TimeoutExpired:
            code, state = _end(process), "out of time"
        except BaseException:
            _end(process)
            raise
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    shown = lines[-_TAIL:] if state != "passed" or part.shows_output else []
    last = {"last_line": lines[-1] if lines else "", "tail": "\n".join(shown)}
    return found | {
        "state": state,
        "exit_code": code,
        "seconds": round(time.monotonic() - started, 1),
        **last,
    }


def _variables() -> Mapping[str, str]:
    """The environment, with the checkout's packages to be found."""
    paths = [str(bare.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _end(process: subprocess.Popen[Any]) -> int:
    """End a process as an interrupted one ends, so that it can end its own; its exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def versions() -> dict[str, str]:
    """The versions of everything that the report depends on."""
    found = {"minicap": __version__, "python": platform.python_version(), "system": platform.platform()}
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=bare.ROOT, capture_output=True, text=True
    )
    if commit.returncode == 0:
        found["commit"] = commit.stdout.strip()
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if shutil.which(SANITIZER):
        told = subprocess.run([SANITIZER, "--version"], capture_output=True, text=True).stdout.split("\n")
        found[SANITIZER] = next((line.strip() for line in told if "ersion" in line), "unknown version")
    return found


def markdown(report: Mapping[str, Any]) -> str:
    """The report as a page."""
    facts = [[name, str(value)] for name, value in (report["device"] | report["versions"]).items()]
    rows = [
        [name, part["state"], f"{part.get('seconds', 0):g}", part["last_line"].replace("|", "/").strip()]
        for name, part in report["parts"].items()
    ]
    pages = ["# On a GPU", lines_of(("", "here"), facts)]
    pages.append(lines_of(("part", "state", "seconds", "its last line"), rows))
    for name, part in report["parts"].items():
        if part["tail"]:
            pages.append(f"## {name}: {part['state']}\n\n```text\n{part['tail']}\n```")
    return "\n\n".join(pages) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: every part passed or had nothing to run with, 1: some part failed, 2: there is no GPU."""
    names = list(parts(Path()))
    parser = argparse.ArgumentParser(
        prog="python -m tools.first_gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--folder", type=Path, default=Path("gpu-report"), help="(default: gpu-report)")
    parser.add_argument(
        "--limit", type=float, default=3600, metavar="SECONDS", help="for each part (default: 3600)"
    )
    args = parser.parse_args(argv)
    if unknown := set(args.parts) - set(names):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    folder = args.folder.resolve()
    try:
        report: dict[str, Any] = {"device": describe(), "versions": versions(), "parts": {}}
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in parts(folder).items():
            if args.parts and name not in args.parts:
                continue
            print(f"{name}: {part.about}", flush=True)
            found = run(part, folder / f"{name}.log", args.limit)
            report["parts"][name] = found
            atomic_write_text(folder / "report.json", json.dumps(report, indent=1) + "\n")
            atomic_write_text(folder / "report.md", markdown(report))
            print(f"{name}: {found['state']}: {found['last_line']}", flush=True)
    except MinicapError as error:
        print(f"first_gpu: {error}", file=sys.stderr)
        return 2
    print(f"the report is in {folder}")
    return int(any(part["state"] not in ("passed", "skipped") for part in report["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
