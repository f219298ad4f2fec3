"""The command line: python -m benchmarks [NAME...]"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from benchmarks.arguments import check_writable, not_negative, positive
from benchmarks.case import Case, choose
from benchmarks.cases.gpu import CEILINGS, COPY, PRODUCT
from benchmarks.compare import Settings, compare, unmeasured
from benchmarks.floor import Ceilings, best_rate
from benchmarks.peers import PEERS, Peer, choose_peers
from benchmarks.places import CPU, GPU, Place
from benchmarks.quiet import QuietFilter, this_processor
from benchmarks.report import line, means, table
from minicap.errors import InputError, MinicapError
from minicap.formats import atomic_write_text
from minicap.progress import Progress

_STDOUT = "-"


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure minicap against its peers: the peer's time over minicap's, so more is better.",
        epilog="peers: "
        + "; ".join(f"{peer.name}: {peer.about}" for peer in PEERS.values())
        + ".  On a GPU: "
        + "; ".join(f"{peer.name}: {peer.about}" for peer in GPU.peers.values()),
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help='cases ("step/cnn2-tiny"), families ("lstm") or patterns ("step/*-cifar"); '
        "default: all but the slow ones",
    )
    parser.add_argument(
        "--gpu", action="store_true", help="measure on a GPU, which has its own cases and peers"
    )
    parser.add_argument(
        "--peers", help='peers, such as torch,cs231n, or "all" (default: torch; all with --gpu)'
    )
    parser.add_argument("--rounds", type=positive(int), help="rounds a case (default: 7; 3 with --gpu)")
    parser.add_argument(
        "--json", nargs="?", const=_STDOUT, metavar="FILE", help="write the rows as JSON to FILE or stdout"
    )
    parser.add_argument("--list", action="store_true", help="list the cases, measure nothing")
    parser.add_argument("--slow", action="store_true", help="the slow cases too, when no NAME is given")
    parser.add_argument("--no-accelerate", action="store_true", help="run minicap's textbook code only")
    parser.add_argument("--threads", type=positive(int), help="of every side (default: 2; 1 with --gpu)")
    parser.add_argument(
        "--seconds", type=positive(float), default=0.3, help="a side runs in a round (default: 0.3)"
    )
    parser.add_argument(
        "--patience",
        type=not_negative,
        metavar="SECONDS",
        help="a case may wait for a quiet machine; then it is measured as it is, with a note "
        "(default: 60; 5 with --gpu)",
    )
    parser.add_argument(
        "--limit",
        type=positive(float),
        metavar="SECONDS",
        help="begin no case after that (default: none; 270 with --gpu)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Exit code 0: all measured, 1: some row has no ratio, 2: the input cannot be used or there is no GPU, 130:
    interrupted (what was measured until then is printed and written).
    """
    args = make_parser().parse_args(argv)
    place = GPU if args.gpu else CPU
    for name in ("rounds", "threads", "patience", "limit"):
        if getattr(args, name) is None:
            setattr(args, name, getattr(place, name))
    try:
        cases = choose(place.cases().values(), args.names, args.slow)
        if args.list:
            print(listing(cases if args.names else list(place.cases().values())))
            return 0
        if args.json not in (None, _STDOUT):
            check_writable(args.json)
        place.describe()
        text = args.peers or place.default_peers
        peers = installed(choose_peers(text, place.peers))
        cases = [case for case in cases if any(peer.name in case.peers for peer in peers)]
        if not cases:
            raise InputError(f"none of these cases can be done by {text}; --list says which peers can")
        rows, finished = measure(args, place, cases, peers)
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
    args: argparse.Namespace, place: Place, cases: Sequence[Case], peers: Sequence[Peer]
) -> tuple[list[dict[str, Any]], bool]:
    """The rows of all cases, and whether the run came to its end.

    What is known after a case is told and written then, so that a run that is killed has lost nothing.
    """
    started, quiet = monotonic(), QuietFilter(this_processor(), args.patience)
    if quiet.processor is None:
        print("this system has no counters to tell who used the processor: keep it quiet", file=sys.stderr)
    rows: list[dict[str, Any]] = []
    work = in_order(place, cases, peers)
    try:
        with (
            # Windows may still hold a compiled file for a moment after its worker has ended.
            tempfile.TemporaryDirectory(prefix="minicap-bench-", ignore_cleanup_errors=True) as scratch,
            Progress(len(work) * args.rounds, "benchmarks", "round") as progress,
        ):
            settings = Settings(
                args.rounds,
                args.seconds,
                args.threads,
                not args.no_accelerate,
                scratch,
                place.name,
                place.at_once,
                place.longest,
                place.describe(),
            )
            for index, (case, some) in enumerate(work):
                progress.reach(index * args.rounds, case=case.name)
                left = args.limit - (monotonic() - started)
                if left <= 0:
                    new = unmeasured(case, some, settings, quiet, f"not measured: {args.limit:g} s are over")
                else:
                    new = compare(case, some, settings, quiet, progress.advance, floors(case, rows))
                rows += new
                tell(new, rows, args.json)
            progress.reach(len(work) * args.rounds)
    except KeyboardInterrupt:
        print("\nbenchmarks: interrupted", file=sys.stderr)
        return rows, False
    return rows, True


def in_order(place: Place, cases: Sequence[Case], peers: Sequence[Peer]) -> list[tuple[Case, list[Peer]]]:
    """What to measure in turn: first the ceilings that a floor needs, last the peers that start slowly."""
    work = []
    if any(peer.set_up is None for peer in peers):
        work = [(case, [place.peers[name] for name in case.peers]) for case in CEILINGS]
        cases = [case for case in cases if case not in CEILINGS]
    for last in (False, True):
        able = [(case, [p for p in peers if p.last == last and p.name in case.peers]) for case in cases]
        work += [(case, some) for case, some in able if some]
    return work


def floors(case: Case, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds by the ceilings among the rows, for the peers that are computed."""
    bytes_rate = best_rate(rows, COPY, "torch")
    rates = {"floor": best_rate(rows, PRODUCT, "torch"), "floor-tf32": best_rate(rows, PRODUCT, "torch-tf32")}
    return {
        name: Ceilings(flops_rate, 1e9 * bytes_rate).floor(case.costs)
        for name, flops_rate in ((name, rate and 1e9 * rate) for name, rate in rates.items())
        if case.costs and bytes_rate and flops_rate
    }


def tell(new: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], json_to: str | None) -> None:
    """Write all rows so far to the file, and the new ones where no progress line is drawn."""
    if json_to not in (None, _STDOUT):
        atomic_write_text(json_to, json.dumps(rows, indent=1) + "\n")
    if not sys.stderr.isatty():
        print("\n".join(map(line, new)), file=sys.stderr, flush=True)


def publish(rows: Sequence[dict[str, Any]], json_to: str | None) -> None:
    """Print the table, or the JSON where that goes to stdout."""
    if json_to == _STDOUT:
        print(json.dumps(rows, indent=1))
        return
    if rows:
        print("\n\n".join(part for part in (table(rows), means(rows)) if part))


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
