"""`minicap eval RUN`: scores of a captioner or a classifier on a split of its data set."""

import argparse

from minicap.cli import eval_captioner, eval_classifier
from minicap.cli.arguments import path
from minicap.errors import InputError
from minicap.training import kind_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        nargs="?",
        type=path,
        metavar="RUN",
        help="run folder or checkpoint (default: the shipped captioner)",
    )
    parser.add_argument(
        "--data", type=path, metavar="DATA", help="data set (default: the one the run was trained on)"
    )
    parser.add_argument("--split", default="test", help="train, val or test (default: test)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    eval_classifier.add_arguments(parser.add_argument_group("of a classifier"))
    eval_captioner.add_arguments(parser.add_argument_group("of a captioner"))


def run(args: argparse.Namespace) -> int:
    if args.run and kind_of(args.run) == "classifier":
        for flag in eval_captioner.FLAGS:
            if getattr(args, flag) not in (None, False):
                raise InputError(
                    f"--{flag.replace('_', '-')} is for captioners; {args.run} holds a classifier"
                )
        return eval_classifier.run(args)
    if args.several_crops:
        raise InputError("--several-crops is for classifiers")
    return eval_captioner.run(args)
