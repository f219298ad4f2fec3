"""Measured rows as tables for a page of the documentation.

python -m benchmarks step conv3x3 --json rows.json
python -m benchmarks.markdown rows.json
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import duration, means
from minicap.errors import InputError, MinicapError

Row = dict[str, Any]
_KEYS = {"case", "peer", "accelerated", "ratio", "spread", "seconds", "peer_seconds"}

NOT_MEASURED = "-"
_TITLES = {
    "torch": "PyTorch",
    "torch-channels-last": "channels_last",
    "torch-compile": "torch.compile",
    "dezero": "DeZero",
    "cs231n": "CS231n",
}


def lines_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column left-aligned, the others right-aligned."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def by_case(rows: Sequence[Row]) -> str:
    """A line for each row: how minicap compares with one peer."""
    if len(peers := _peers(rows)) > 1:
        raise InputError(f"the rows have {len(peers)} peers; use --peers, or rows of one")
    title = _title(peers[0])
    lines = []
    for row in rows:
        times = (_time(row[key]) for key in ("seconds", "peer_seconds"))
        lines.append([row["case"], _ratio(row), _spread(row), *times])
    return lines_of(["case", "ratio", "quartiles", "minicap", title], lines)


def by_peer(rows: Sequence[Row]) -> str:
    """A line for each case, a column for each peer: the ratio with its quartiles."""
    found = {(row["case"], row["peer"]): row for row in rows}
    peers = _peers(rows)
    lines = []
    for case in dict.fromkeys(row["case"] for row in rows):
        own = {peer: found.get((case, peer)) for peer in peers}
        times = [row["seconds"] for row in own.values() if row and row["seconds"] is not None]
        ratios = (f"{_ratio(row)} ({_spread(row)})" if row else "" for row in own.values())
        lines.append([case, _time(min(times, default=None)), *ratios])
    return lines_of(["case", "minicap", *map(_title, peers)], lines)


def by_code(rows: Sequence[Row]) -> str:
    """A line for each case: minicap's textbook code and its faster pairs, beside one peer.

    Raises InputError unless the rows hold both, for one peer.
    """
    textbook = {row["case"]: row for row in rows if not row["accelerated"]}
    faster = {row["case"]: row for row in rows if row["accelerated"]}
    both = [case for case in textbook if case in faster]
    if not both or len(peers := _peers(rows)) > 1:
        raise InputError("--textbook needs rows of one peer, measured with and without --no-accelerate")
    lines = []
    for case in both:
        slow, fast = textbook[case], faster[case]
        times = slow["seconds"], fast["seconds"]
        gain = NOT_MEASURED if None in times else f"{times[0] / times[1]:.1f}"
        peer_time = _time(fast["peer_seconds"])
        lines.append([case, *map(_time, times), gain, peer_time, _ratio(slow), _ratio(fast)])
    title = _title(peers[0])
    header = ["case", "textbook", "faster pairs", "gain", title, "ratio, textbook", "ratio, faster pairs"]
    return lines_of(header, lines)


FORMS = {"cases": by_case, "peers": by_peer, "textbook": by_code}


def read_rows(files: Sequence[Path]) -> list[Row]:
    """The rows of all files; of rows for the same case, peer and code the last one counts.

    Raises InputError for what is not a file of rows.
    """
    rows: dict[tuple[str, str, bool], Row] = {}
    for file in files:
        try:
            for row in json.loads(file.read_text(encoding="utf-8")):
                if missing := sorted(_KEYS - set(row)):
                    raise ValueError(f"a row has no {', '.join(missing)}")
                rows[row["case"], row["peer"], row["accelerated"]] = row
        except OSError as error:
            raise InputError(f"cannot read {file}: {error.strerror or error}") from None
        except (ValueError, TypeError) as error:
            raise InputError(f"{file} holds no rows of python -m benchmarks --json: {error}") from None
    if not rows:
        raise InputError("there are no rows in " + ", ".join(map(str, files)))
    return list(rows.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.  Exit code 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.markdown",
        description="Write rows of `python -m benchmarks --json` as Markdown.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--peers", dest="form", action="store_const", const="peers", help="a column for each peer"
    )
    form.add_argument(
        "--textbook",
        dest="form",
        action="store_const",
        const="textbook",
        help="the textbook beside the faster pairs (rows with and without --no-accelerate)",
    )
    parser.set_defaults(form="cases")
    args = parser.parse_args(argv)
    try:
        rows = read_rows(args.files)
        print(FORMS[args.form](rows))
        if args.form == "cases" and (text := means(rows)):
            print("\n" + text)
    except MinicapError as error:
        print(f"benchmarks.markdown: {error}", file=sys.stderr)
        return 2
    return 0


def _peers(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["peer"] for row in rows))


def _title(peer: str) -> str:
    return _TITLES.get(peer, peer)


def _ratio(row: Row) -> str:
    return NOT_MEASURED if row["ratio"] is None else f"{row['ratio']:.2f}"


def _spread(row: Row) -> str:
    return NOT_MEASURED if row["spread"] is None else "{:.2f}-{:.2f}".format(*row["spread"])


def _time(seconds: float | None) -> str:
    return NOT_MEASURED if seconds is None else duration(seconds)


if __name__ == "__main__":
    sys.exit(main())
