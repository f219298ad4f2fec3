"""`minicap classify PHOTO...`: the most probable ImageNet classes."""

import argparse
import json
from pathlib import Path

import numpy as np

from minicap.arrays import to_device, to_host
from minicap.data.images import load_image
from minicap.errors import InputError
from minicap.layers import softmax_forward
from minicap.models import SqueezeNet, imagenet_classes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument("--top", type=int, default=5, metavar="K", help="classes to print (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a photo")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the photo and its classes")


def run(args: argparse.Namespace) -> int:
    names = imagenet_classes()
    if not 1 <= args.top <= len(names):
        raise InputError(f"--top is {args.top} but must be 1..{len(names)}")
    if args.plot and len(args.photos) > 1:
        raise InputError("--plot takes one photo at a time")
    images = [load_image(photo) for photo in args.photos]  # all are read before the first answer
    model = SqueezeNet.pretrained()
    for photo, image in zip(args.photos, images, strict=True):
        scores = model(to_device(model.preprocess(image)[None]))
        probabilities = to_host(softmax_forward(scores)[0])[0]
        best = np.argsort(-probabilities)[: args.top]
        if args.json:
            classes = [
                {"class": names[i], "index": int(i), "probability": float(probabilities[i])} for i in best
            ]
            print(json.dumps({"photo": str(photo), "classes": classes}))
        else:
            print(photo)
            for i in best:
                print(f"  {probabilities[i]:6.1%}  {names[i]}")
        if args.plot:
            from minicap.plots import save_figure, top_classes

            figure = top_classes(image, [names[i] for i in best], [float(probabilities[i]) for i in best])
            save_figure(figure, args.plot)
    return 0
