"""Flags that say how captions are decoded."""

import argparse
from typing import Any

from minicap.cli.arguments import number, whole

# A flag that is not given has no value.  These are the options of minicap.decoding.Decoding but the beam.
FLAGS = ("length_power", "groups", "diversity", "temperature", "top_k", "top_p", "no_repeats")


def add_decoding_arguments(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--length-power", type=number(-10, 10), help="length normalisation of beam search (default: 0.7)"
    )
    parser.add_argument(
        "--groups", type=whole(1, 100), metavar="G", help="diverse beam search: groups that share the beam"
    )
    parser.add_argument(
        "--diversity", type=number(0, 1000), help="penalty for a word that another group says (default: 0.5)"
    )
    parser.add_argument(
        "--temperature", type=number(0, 1000), help="draw the words at this temperature, e.g. 0.7"
    )
    parser.add_argument("--top-k", type=whole(1, 10**9), metavar="K", help="draw from the K likeliest words")
    parser.add_argument(
        "--top-p",
        type=number(0, 1),
        metavar="P",
        help="draw from the nucleus, the likeliest words of P together",
    )
    parser.add_argument(
        "--no-repeats", type=whole(1, 1000), metavar="N", help="say no N words in a row twice, e.g. 3"
    )


def decoding_options(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that are given, as options of minicap.decoding.Decoding."""
    given = {name: getattr(args, name) for name in FLAGS}
    return {name: value for name, value in given.items() if value is not None}
