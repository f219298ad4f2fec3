"""`minicap sample RUN`: text from a character-level language model."""

import argparse

from minicap.characters import Writer
from minicap.characters.writer import MOST_CHARACTERS
from minicap.cli.arguments import number, path, whole
from minicap.progress import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=path, metavar="RUN", help="run folder or checkpoint of `train charlm`")
    parser.add_argument(
        "--length",
        type=whole(1, MOST_CHARACTERS),
        default=500,
        metavar="N",
        help="characters to write (default: 500)",
    )
    parser.add_argument(
        "--temperature",
        type=number(0, 1000),
        default=1.0,
        help="low for what is likely, high for what is not; 0 for the likeliest (default: 1)",
    )
    parser.add_argument("--top-k", type=whole(1, 10**9), metavar="K", help="draw from the K likeliest")
    parser.add_argument(
        "--top-p", type=number(0, 1), metavar="P", help="draw from the nucleus, the likeliest of P together"
    )
    parser.add_argument("--begin", default="", metavar="TEXT", help="a beginning for it to go on from")
    parser.add_argument(
        "--seed", type=whole(0, 2**63 - 1), default=0, help="seed of the random draws (default: 0)"
    )


def run(args: argparse.Namespace) -> int:
    options = {"temperature": args.temperature, "top_k": args.top_k, "top_p": args.top_p}
    given = {name: value for name, value in options.items() if value is not None}
    text = Writer.load(args.run).write(args.length, args.begin, args.seed, **given)
    print("\n".join(printable(line) for line in text.split("\n")))
    return 0
