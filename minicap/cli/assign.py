"""`minicap assign ACTION`: checks, hints and submissions for students; handouts and grades for teachers."""

import argparse
from importlib import import_module
from importlib.util import find_spec

# The module of each group of actions, which has add_arguments(actions) and run(args).
_GROUPS = ("assign_check", "assign_submit", "assign_build", "assign_grade")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for group in _GROUPS:
        if find_spec(f"minicap.cli.{group}"):  # handouts have only those for students
            module = import_module(f"minicap.cli.{group}")
            for action in module.add_arguments(actions):
                action.set_defaults(run_action=module.run)


def run(args: argparse.Namespace) -> int:
    """Returns 1 when a check failed or a submission could not be graded, else 0."""
    code: int = args.run_action(args)
    return code
