"""minicap gradcheck: check every hand-written gradient numerically."""

import argparse
import sys

from minicap.cli.arguments import path
from minicap.gradcheck import library, mutants
from minicap.gradcheck.plot import save_plot
from minicap.gradcheck.report import layer_table, summary, table, to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of the command."""
    parser.add_argument(
        "layers", nargs="*", metavar="LAYER", help="layers to check, such as conv (default: all)"
    )
    parser.add_argument(
        "--file",
        type=path,
        metavar="FILE.py",
        help="check layers of your own: a file that calls minicap.gradcheck.add_layer",
    )
    parser.add_argument("--list", action="store_true", help="list the layers and their cases, check nothing")
    parser.add_argument("--accelerated", action="store_true", help="check the faster NumPy pairs too")
    parser.add_argument(
        "--mutants",
        action="store_true",
        help="break every layer on purpose and count what the checker misses",
    )
    parser.add_argument("--verbose", action="store_true", help="print a line for each argument of each case")
    parser.add_argument("--json", action="store_true", help="print the result as JSON for other tools")
    parser.add_argument(
        "--plot", type=path, metavar="FILE", help="also draw error against step size (.png, .svg or .pdf)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command.  Returns 1 when a check fails or a mutant survives, else 0.

    Raises InputError for an unknown layer or a file that cannot be run, MissingExtra for --plot without
    matplotlib.
    """
    own = library.load_file(args.file) if args.file else []
    layers = args.layers or own
    names = library.choose(layers)
    if args.list:
        print(_listing(names, args.json))
        return 0
    progress = _Progress(len(names))
    if args.plot:  # first, since a missing library or a wrong path should not cost the whole check
        save_plot(args.plot, layers, progress)
        progress.clear()
    if args.mutants:
        tally = mutants.run_mutants(layers, progress)
        progress.clear()
        print(mutants.to_json(tally) if args.json else mutants.table(tally))
        return 0 if tally.passed else 1
    report = library.run_checks(layers, accelerated=args.accelerated, progress=progress)
    progress.clear()
    if args.json:
        print(to_json(report))
    else:
        print(table(report) if args.verbose else layer_table(report))
        if args.accelerated:
            for line in library.unreached_overrides(names):
                print(f"not checked: {line}")
        print(summary(report))
    return 0 if report.passed else 1


def _listing(names: list[str], as_json: bool) -> str:
    variants: dict[str, list[str]] = {name: [] for name in names}
    for case in library.load_cases():
        if case.layer in variants:
            variants[case.layer].append(case.variant or "plain")
    if as_json:
        import json

        return json.dumps(variants, indent=1)
    width = max(map(len, names))
    return "\n".join(f"{name:<{width}}  {'; '.join(variants[name])}".rstrip() for name in names)


class _Progress:
    """One line on the terminal that says which layer is being checked; silent elsewhere."""

    def __init__(self, total: int) -> None:
        self.total, self.seen, self.width = total, set[str](), 0
        self.live = sys.stderr.isatty()

    def __call__(self, layer: str) -> None:
        self.seen.add(layer)  # a layer has several cases
        self._show(f"{len(self.seen)}/{self.total} {layer}")

    def clear(self) -> None:
        self._show("")

    def _show(self, text: str) -> None:
        if self.live:
            print(f"\r{text:<{self.width}}", end="\r" if not text else "", file=sys.stderr, flush=True)
            self.width = len(text)
