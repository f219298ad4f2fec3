"""minicap assign submit: pack what a student wrote."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from minicap.assignments import manifest, submission
from minicap.cli.arguments import path


def add_arguments(actions: argparse._SubParsersAction) -> Iterator[argparse.ArgumentParser]:
    submit = actions.add_parser("submit", help="pack what you wrote, to be handed in")
    submit.add_argument("assignment", nargs="?", default="", metavar="ASSIGNMENT")
    submit.add_argument(
        "-o", "--output", type=path, metavar="FILE.zip", help="default: ASSIGNMENT-submission.zip"
    )
    submit.add_argument("--incomplete", action="store_true", help="although some exercises are not written")
    yield submit


def run(args: argparse.Namespace) -> int:
    """Run the command.  Raises InputError for an incomplete submission without --incomplete."""
    assignment = manifest.find(args.assignment)
    output = args.output or Path(f"{assignment.id}-submission.zip")
    packed = submission.pack(assignment, output, args.incomplete)
    for name in packed.files:
        print(f"    {name}")
    print(f"{output}: {len(packed.files)} files, sha256 {packed.digest}")
    return 0
