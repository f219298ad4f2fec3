"""The commands, their parser, and what their exit codes mean."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from minicap import __version__
from minicap.arrays import available_backends, get_backend, use_backend
from minicap.errors import MinicapError

COMMANDS = {
    "demo": "train a captioner on the photos in the package, in about two minutes",
    "caption": "describe photos in a sentence",
    "classify": "name what is on photos, with probabilities",
    "train": "train a captioner on your own data",
    "eval": "score a captioner on a data set",
    "export": "write a captioner as one small file to hand on",
    "gradcheck": "check every hand-written gradient against numeric ones",
    "data": "look at a data set",
}


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="minicap", description="Deep learning with every gradient written by hand."
    )
    parser.add_argument("--version", action="version", version=f"minicap {__version__}")
    parser.add_argument("--backend", choices=available_backends(), help="where arrays live (default: numpy)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        import_module(f"minicap.cli.{name}").add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.  Exit code 0: done, 1: a check failed, 2: the user's input cannot be used."""
    # Captions and progress bars must not fail on a console with a narrow encoding.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        args = make_parser().parse_args(argv)
        backend = args.backend or os.environ.get("MINICAP_BACKEND") or "numpy"
        with use_backend(get_backend(backend).name):
            code: int = import_module(f"minicap.cli.{args.command}").run(args)
            return code
    except MinicapError as error:
        print(f"minicap: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"minicap: out of memory: {str(error) or 'the system has no more'}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nminicap: interrupted", file=sys.stderr)
        return 130
