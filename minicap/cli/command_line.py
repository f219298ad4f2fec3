"""The commands, their parser, and what their exit codes mean."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

from minicap import __version__
from minicap.errors import MinicapError
from minicap.progress import printable

# NumPy, Pillow and the commands are imported inside main, where an interrupt is reported in a line.

COMMANDS = {
    "demo": "train a captioner on the photos in the package, in a minute or two",
    "caption": "describe each photo in a sentence",
    "classify": "classify photos, with probabilities",
    "look": "draw what a classifier looks for, and what it sees in a photo",
    "tag": "name all that is on photos, by a tagger of your own",
    "serve": "show all this on a web page: drop a photo, follow a training",
    "site": "write the playground: a page that runs minicap in the browser",
    "train": "train a captioner, a classifier, a tagger, a ranking or a character model",
    "sweep": "train with many settings and seeds, and compare them in one table",
    "search": "find the photos that a sentence describes best",
    "sample": "let a character model write",
    "eval": "score a captioner, a classifier, a tagger or a ranking model on a data set",
    "export": "write a captioner, a classifier or a tagger as one small file to hand on",
    "gradcheck": "check every hand-written gradient against numeric ones",
    "assign": "build, check, hand in and grade assignments",
    "data": "look at a data set, or list those known by name",
    "models": "list the pretrained networks and where their weights come from",
    "weights": "download or import the ImageNet weights of a network",
}


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        # Which flags there are depends on those given, so a flag must have one spelling.
        super().__init__(**{"allow_abbrev": False} | options)

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def make_parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of all commands, with the settings of the application and model that argv names."""
    from minicap.arrays import available_backends

    parser = _Parser(prog="minicap", description="Deep learning with every gradient written by hand.")
    parser.add_argument("--version", action="version", version=f"minicap {__version__}")
    parser.add_argument("--backend", choices=available_backends(), help="where arrays live (default: numpy)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        if name in argv and not find_spec(f"minicap.cli.{name}"):  # a handout lacks it
            continue
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name not in argv:  # its module is not needed, and in a handout may not load while it is edited
            continue
        module = import_module(f"minicap.cli.{name}")
        if name == "train":
            module.add_arguments(command, _behind(name, argv))
        else:
            module.add_arguments(command)
    return parser


def _behind(command: str, argv: Sequence[str]) -> Sequence[str]:
    """The words after the command; none where argv has another command."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--backend", nargs="?")
    parser.add_argument("words", nargs=argparse.REMAINDER)
    words: list[str] = parser.parse_known_args(argv)[0].words
    return words[1:] if words[:1] == [command] else ()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Exit code 0: done, 1: a check failed or some photos could not be used, 2: the user's input cannot be used.
    """
    # Captions and progress bars must not fail on a console with a narrow encoding.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = _run(argv)
        if sys.stdout:  # None where the shell has closed it
            sys.stdout.flush()  # a full disk is reported in a line here, but not at the process's end
        return code
    except MinicapError as error:
        return _refused(str(error))
    except MemoryError as error:
        return _refused(f"out of memory: {str(error) or 'the system has no more'}")
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _refused(f"{where}{error.strerror or error}")
    except KeyboardInterrupt:
        print("\nminicap: interrupted", file=sys.stderr)
        return 130
    finally:
        _drop_unwritten()


def _run(argv: Sequence[str] | None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = make_parser(argv).parse_args(argv)
    from minicap.arrays import get_backend, use_backend

    backend = args.backend or os.environ.get("MINICAP_BACKEND") or "numpy"
    with use_backend(get_backend(backend).name):
        code: int = import_module(f"minicap.cli.{args.command}").run(args)
    return code


def _refused(message: str) -> int:
    print(f"minicap: {printable(message)}", file=sys.stderr)
    return 2


def _drop_unwritten() -> None:
    """Output that still cannot be written must not be tried again at the end of the process."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
