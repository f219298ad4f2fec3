"""`minicap export RUN FILE`: a captioner as one small file to hand on."""

import argparse

import numpy as np

from minicap.captioning import Captioner
from minicap.cli.arguments import path
from minicap.progress import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=path, metavar="RUN", help="run folder or checkpoint")
    parser.add_argument("file", type=path, metavar="FILE.safetensors", help="where to write it")
    parser.add_argument("--float32", action="store_true", help="keep full precision, at twice the size")


def run(args: argparse.Namespace) -> int:
    Captioner.load(args.run).save(args.file, np.float32 if args.float32 else np.float16)
    size = args.file.stat().st_size / 1e6
    file = printable(str(args.file))
    print(f"{file}: {size:.1f} MB; try it: minicap caption PHOTO --run {file}")
    return 0
