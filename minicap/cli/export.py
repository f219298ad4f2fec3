"""`minicap export RUN FILE`: a captioner as one small file to hand on."""

import argparse
from pathlib import Path

import numpy as np

from minicap.captioning import Captioner


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder or checkpoint")
    parser.add_argument("file", type=Path, metavar="FILE.safetensors", help="where to write it")
    parser.add_argument("--float32", action="store_true", help="keep full precision, at twice the size")


def run(args: argparse.Namespace) -> int:
    Captioner.load(args.run).save(args.file, np.float32 if args.float32 else np.float16)
    size = args.file.stat().st_size / 1e6
    print(f"{args.file}: {size:.1f} MB; try it: minicap caption PHOTO --run {args.file}")
    return 0
