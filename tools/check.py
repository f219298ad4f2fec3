"""Everything a change must pass; CI runs it.

    python -m tools.check [STEP ...] [--without ORACLE]

readme   the README's two commands as they stand, each in a copy of the tree and an environment of its own
matrix   some rows of tools/matrix.py
gates    ruff, mypy, gradient checks, the notebooks, the documentation site; then the tests with every oracle
         and their coverage
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tools import bare

ROWS = ("oldest", "sandybridge", "cupy13", "cupy14")
ORACLES = {"torch": "torch==2.13.0", "pycocoevalcap": "pycocoevalcap", "scikit-learn": "scikit-learn"}


def readme() -> None:
    """The demo and the tests, each as a stranger runs them."""
    commands = list(bare.readme_commands())
    if len(commands) != 2:
        raise SystemExit(f"README.md has {len(commands)} commands, not the demo's and the tests'")
    for command in commands:
        with tempfile.TemporaryDirectory(prefix="minicap-readme-", ignore_cleanup_errors=True) as folder:
            tree = bare.copy_tree(Path(folder) / "minicap")
            print(f"\n$ {command}", flush=True)
            subprocess.run(command, shell=True, cwd=tree, env=bare.variables(), check=True)


def matrix() -> None:
    """The rows that differ most from this machine."""
    run(sys.executable, "-m", "tools.matrix", *ROWS)


def gates(without: Sequence[str] = ()) -> None:
    """Style, types, gradients and oracles, in one environment; the tests' summary is the last line."""
    with tempfile.TemporaryDirectory(prefix="minicap-gates-", ignore_cleanup_errors=True) as folder:
        python = bare.make_environment(Path(folder))
        run(python, "-m", "pip", "install", "--quiet", "-e", ".[dev,gpu-gates]")
        for oracle in sorted(ORACLES.keys() - set(without)):
            try:
                run(python, "-m", "pip", "install", "--quiet", ORACLES[oracle])
            except subprocess.CalledProcessError:
                print(f"{oracle} cannot be had here: its tests are skipped", flush=True)
        run(python, "-m", "ruff", "check")
        run(python, "-m", "ruff", "format", "--check")
        run(python, "-m", "mypy")
        run(python, "-m", "minicap", "gradcheck")
        run(python, "-m", "pip", "install", "--quiet", "nbclient", "ipykernel")
        run(python, "-m", "tools.notebooks")
        run(python, "-m", "pip", "install", "--quiet", "-e", ".[docs]")
        run(python, "-m", "tools.docs", "--to", str(Path(folder) / "site"))
        # On all cores; the coverage is a figure, nothing fails by it.
        coverage = ("--cov=minicap", "--cov-report=term:skip-covered")
        run(python, "-m", "pytest", "-n", "auto", *coverage)


def run(*command: str) -> None:
    """Run a command at the top of the tree; raises CalledProcessError when it fails."""
    print("\n$", *command, flush=True)
    subprocess.run(command, cwd=bare.ROOT, env=bare.variables(), check=True)


STEPS = {step.__name__: step for step in (readme, matrix, gates)}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: every step passed, 1: one failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)} (default: all)")
    parser.add_argument("--without", nargs="+", default=[], choices=ORACLES, help="oracles to do without")
    args = parser.parse_args(argv)
    steps = args.steps or list(STEPS)
    if unknown := set(steps) - set(STEPS):
        parser.error(f"no step is called {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    for name in steps:
        started = time.monotonic()
        try:
            gates(args.without) if name == "gates" else STEPS[name]()
        except subprocess.CalledProcessError as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            return 1
        if name != steps[-1]:
            print(f"{name} passed in {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
