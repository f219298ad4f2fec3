"""`minicap eval RUN`: scores on a split of its data set, for every kind of model but those of characters."""

import argparse

from minicap.cli import eval_captioner, eval_classifier, eval_retrieval, eval_sweep, eval_tagger
from minicap.cli.arguments import path
from minicap.errors import InputError
from minicap.training import kind_of
from minicap.training.sweep import runs_in

# For models other than captioners: which of the captioners' flags apply, and what scores them.
_OTHERS = {
    "classifier": ((), eval_classifier),
    "tagger": (eval_tagger.FLAGS, eval_tagger),
    "ranking model": (("outside",), eval_retrieval),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        nargs="?",
        type=path,
        metavar="RUN",
        help="run folder or checkpoint, or a sweep's folder (default: the shipped captioner)",
    )
    parser.add_argument(
        "--data", type=path, metavar="DATA", help="data set (default: the one the run was trained on)"
    )
    parser.add_argument("--split", default="test", help="train, val or test (default: test)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    eval_classifier.add_arguments(parser.add_argument_group("of a classifier"))
    eval_captioner.add_arguments(parser.add_argument_group("of a captioner"))


def run(args: argparse.Namespace) -> int:
    cells = runs_in(args.run) if args.run and (args.run / "sweep.json").exists() else {}
    one = next(iter(next(iter(cells.values())))) if cells else args.run
    kind = kind_of(one) if one else "captioner"
    if args.several_crops and kind != "classifier":
        raise InputError("--several-crops is for classifiers")
    flags, scorer = _OTHERS.get(kind, (eval_captioner.FLAGS, eval_captioner))
    for flag in eval_captioner.FLAGS:
        if flag not in flags and getattr(args, flag) not in (None, False):
            raise InputError(f"--{flag.replace('_', '-')} is for captioners; {args.run} holds a {kind}")
    return eval_sweep.run(args, cells, scorer.headlines) if cells else scorer.run(args)
