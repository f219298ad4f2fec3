"""`minicap export RUN FILE`: a captioner, a classifier or a tagger as one small file to hand on."""

import argparse
from typing import Any

import numpy as np

from minicap.captioning import Captioner
from minicap.classification import Classifier
from minicap.cli.arguments import path
from minicap.errors import InputError
from minicap.multilabel import Tagger
from minicap.progress import printable
from minicap.training import kind_of

_KINDS: dict[str, tuple[Any, str]] = {"classifier": (Classifier, "classify"), "tagger": (Tagger, "tag")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=path, metavar="RUN", help="run folder or checkpoint")
    parser.add_argument("file", type=path, metavar="FILE.safetensors", help="where to write it")
    parser.add_argument("--float32", action="store_true", help="keep full precision, at twice the size")


def run(args: argparse.Namespace) -> int:
    folder = args.file.resolve().parent
    if folder.name == "checkpoints" and (folder / "last.safetensors").exists():
        raise InputError(f"{args.file} would lie among the checkpoints of a run; write it elsewhere")
    kind, command = _KINDS.get(kind_of(args.run), (Captioner, "caption"))
    model = kind.load(args.run)
    model.save(args.file, np.float32 if args.float32 else np.float16)
    size, file = args.file.stat().st_size / 1e6, printable(str(args.file))
    print(f"{file}: {size:.1f} MB; try it: minicap {command} PHOTO --run {file}")
    return 0
