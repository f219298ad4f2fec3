"""minicap assign build: cut a handout from the package."""

import argparse
from collections.abc import Iterator
from hashlib import sha256

from minicap.assignments import archive, manifest
from minicap.cli.arguments import path


def add_arguments(actions: argparse._SubParsersAction) -> Iterator[argparse.ArgumentParser]:
    build = actions.add_parser("build", help="cut a handout from the package")
    build.add_argument("assignment", metavar="ASSIGNMENT", help="such as a2, or a folder with a manifest")
    build.add_argument(
        "-o", "--output", type=path, required=True, metavar="DIR|FILE.zip", help="where the handout goes"
    )
    build.add_argument("--solved", action="store_true", help="with all exercises solved, for teachers")
    yield build


def run(args: argparse.Namespace) -> int:
    """Run the command.  Raises InputError when the handout would give an answer away."""
    from minicap.assignments.teacher import handout, solution

    assignment = manifest.find(args.assignment)
    made = handout.make(assignment)
    files = made.files
    if args.solved:
        files = solution.solved(files, assignment, assignment.named)
    archive.write(files, args.output, f"minicap-{assignment.id}")
    lines = sum(len(removed) for removed in made.removed.values())
    size = sum(map(len, made.files.values())) / 1e6
    print(
        f"{args.output}: {len(made.files)} files, {size:.1f} MB, {len(assignment.exercises)} exercises, "
        f"{assignment.points} points; "
        + ("all solved" if args.solved else f"none of the {lines} lines that were cut is left in it")
    )
    for name in made.also_hidden:
        print(f"left out, since it holds a line that was cut: {name}")
    if args.output.suffix == ".zip":
        print(f"sha256 {sha256(args.output.read_bytes()).hexdigest()}")
    return 0
