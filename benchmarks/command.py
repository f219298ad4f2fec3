"""The command line: python -m benchmarks [NAME...]"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.case import Case, choose
from benchmarks.cases import all_cases
from benchmarks.compare import Settings, compare
from benchmarks.peers import PEERS, Peer, choose_peers
from benchmarks.quiet import QuietFilter, this_processor
from benchmarks.report import means, table
from minicap.data.progress import Progress
from minicap.errors import InputError, MinicapError
from minicap.formats import atomic_write_text

_STDOUT = "-"


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure minicap against its peers: the peer's time over minicap's, so more is better.",
        epilog="peers: " + "; ".join(f"{peer.name}: {peer.about}" for peer in PEERS.values()),
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help='cases ("step/cnn2-tiny"), families ("lstm") or patterns ("step/*-cifar"); '
        "default: all but the slow ones",
    )
    parser.add_argument(
        "--peers", default="torch", help='peers, such as torch,cs231n, or "all" (default: torch)'
    )
    parser.add_argument("--rounds", type=_positive(int), default=7, help="rounds a case (default: 7)")
    parser.add_argument(
        "--json", nargs="?", const=_STDOUT, metavar="FILE", help="write the rows as JSON to FILE or stdout"
    )
    parser.add_argument("--list", action="store_true", help="list the cases, measure nothing")
    parser.add_argument("--slow", action="store_true", help="the slow cases too, when no NAME is given")
    parser.add_argument("--no-accelerate", action="store_true", help="run minicap's textbook code only")
    parser.add_argument("--threads", type=_positive(int), default=2, help="of every side (default: 2)")
    parser.add_argument(
        "--seconds", type=_positive(float), default=0.3, help="a side runs in a round (default: 0.3)"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=60,
        metavar="SECONDS",
        help="a case may wait for a quiet machine; then it is measured as it is, with a note (default: 60)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Exit code 0: all measured, 1: some row has no ratio, 2: the input cannot be used, 130: interrupted (what
    was measured until then is printed and written).
    """
    args = make_parser().parse_args(argv)
    try:
        cases = choose(all_cases().values(), args.names, args.slow)
        if args.list:
            print(listing(cases if args.names else list(all_cases().values())))
            return 0
        if args.json not in (None, _STDOUT) and not Path(args.json).parent.is_dir():
            raise InputError(f"cannot write {args.json}: there is no folder {Path(args.json).parent}")
        peers = installed(choose_peers(args.peers))
        cases = [case for case in cases if any(peer.name in case.peers for peer in peers)]
        if not cases:
            raise InputError(f"none of these cases can be done by {args.peers}; --list says which peers can")
        rows, finished = measure(args, cases, peers)
        publish(rows, args.json)
    except MinicapError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    if not finished:
        return 130
    return int(any(row["ratio"] is None for row in rows))


def installed(peers: Sequence[Peer]) -> list[Peer]:
    """The peers that can run here; a line is printed for each that cannot.

    Raises InputError when none can.
    """
    for peer in peers:
        if peer.missing:
            print(f"skipped {peer.name}: {peer.package} is not installed", file=sys.stderr)
    if present := [peer for peer in peers if not peer.missing]:
        return present
    raise InputError("none of the peers is installed; cs231n always is")


def measure(
    args: argparse.Namespace, cases: Sequence[Case], peers: Sequence[Peer]
) -> tuple[list[dict[str, Any]], bool]:
    """The rows of all cases, and whether the run came to its end."""
    quiet = QuietFilter(this_processor(), args.patience)
    if quiet.processor is None:
        print("this system has no counters to tell who used the processor: keep it quiet", file=sys.stderr)
    rows: list[dict[str, Any]] = []
    try:
        with (
            # Windows may still hold a compiled file for a moment after its worker has ended.
            tempfile.TemporaryDirectory(prefix="minicap-bench-", ignore_cleanup_errors=True) as scratch,
            Progress(len(cases) * args.rounds, "benchmarks", "round") as progress,
        ):
            settings = Settings(args.rounds, args.seconds, args.threads, not args.no_accelerate, scratch)
            for index, case in enumerate(cases):
                progress.reach(index * args.rounds, case=case.name)
                rows += compare(case, peers, settings, quiet, progress.advance)
            progress.reach(len(cases) * args.rounds)
    except KeyboardInterrupt:
        print("\nbenchmarks: interrupted", file=sys.stderr)
        return rows, False
    return rows, True


def publish(rows: Sequence[dict[str, Any]], json_to: str | None) -> None:
    """Print the table, or the JSON where that goes to stdout; write the JSON to a file if asked."""
    text = json.dumps(rows, indent=1)
    if json_to == _STDOUT:
        print(text)
        return
    if rows:
        print("\n\n".join(part for part in (table(rows), means(rows)) if part))
    if json_to is not None:
        atomic_write_text(json_to, text + "\n")


def listing(cases: Sequence[Case]) -> str:
    """Names, sizes and peers of cases; parts of other cases are left out unless they are all there is."""
    shown = [case for case in cases if not case.part] or list(cases)
    width = max(len(case.name) for case in shown)
    lines = [
        f"{case.name:<{width}}  {case.about}{' (slow)' if case.slow else ''}  [{', '.join(case.peers)}]"
        for case in shown
    ]
    if any(case.part for case in cases) and len(shown) < len(cases):
        lines.append('Convolutions have parts: "conv3x3/cifar:forward", "conv3x3/cifar:backward", "conv*:*".')
    return "\n".join(lines)


def _positive(kind: type) -> Any:
    def parse(text: str) -> Any:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return value

    parse.__name__ = kind.__name__  # argparse names the type in its message
    return parse
