"""python -m tools.notebooks [NAME ...] [--write]"""

import argparse
import sys
from collections.abc import Sequence

import tools.notebooks
from tools.notebooks import assignment, tour


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: every notebook ran."""
    known = (*tour.BOOKS, *assignment.BOOKS)
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks",
        description=tools.notebooks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)} (default: all)")
    parser.add_argument("--write", action="store_true", help="store what the tour's notebooks show")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(known):
        parser.error(f"no notebook is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in args.names or known:
        run = tour.run_tour(name, args.write) if name in tour.BOOKS else assignment.run_assignment(name)
        print(f"{name}: {run:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
