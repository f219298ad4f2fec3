"""`minicap models`: the networks with published ImageNet weights, and what is known of them."""

import argparse
import json
from math import prod
from typing import Any

from minicap.models.pretrained import have_weights
from minicap.models.published import PRETRAINED, Pretrained
from minicap.nn.multiply_adds import multiply_adds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object per network")


def run(args: argparse.Namespace) -> int:
    rows = [_row(name, known) for name, known in PRETRAINED.items()]
    if args.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    width = max(map(len, PRETRAINED))
    print(f"{'network':<{width}}  parameters  multiply-adds  top-1  weights  licence")
    for row in rows:
        print(
            f"{row['name']:<{width}}  {_short(row['parameters']):>10}  {_short(row['multiply_adds']):>13}  "
            f"{row['top1'] or '':>5}  {row['weights']:<7}  {row['licence']}"
        )
    print("\nmultiply-adds: for one photo.  top-1: % of ImageNet's validation photos, as published.")
    print("get: minicap weights get NETWORK.  import: minicap weights import FILE --model NETWORK.")
    return 0


def _short(count: int) -> str:
    """1,235,496 as 1.24 M."""
    return f"{count / 1e9:.2f} G" if count >= 1e9 else f"{count / 1e6:.2f} M"


def _row(name: str, known: Pretrained) -> dict[str, Any]:
    net, size = known.make(), known.preprocess.size
    parameters = [declared.shape for module in net.modules() for declared in module.declared.values()]
    return {
        "name": name,
        "parameters": sum(map(prod, parameters)),
        "multiply_adds": multiply_adds(net, (3, size, size)),
        "top1": known.accuracy,
        "weights": "here" if have_weights(name) else "get" if known.package else "import",
        "licence": known.licence,
    }
