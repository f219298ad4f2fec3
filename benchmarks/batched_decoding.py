"""How much quicker captions are decoded together than one photo at a time.

    python -m benchmarks.batched_decoding

The shipped captioner, its features drawn at random with the mean and spread of real ones, beam search.  Both
ways take turns, and the ratio is the median over the rounds.
"""

import argparse
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from minicap.arrays import to_device, to_host
from minicap.captioning import Captioner


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batched_decoding")
    parser.add_argument("--photos", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--beam", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    captioner = Captioner.shipped()
    print(f"beam {args.beam}, {len(captioner.vocabulary)} words, milliseconds per photo")
    print("photos  together  one by one  ratio")
    for photos in args.photos:
        features = random_features(captioner, photos)
        alone = [features[i : i + 1] for i in range(min(photos, 16))]

        def together(features: np.ndarray = features) -> None:
            captioner.decode(features, beam=args.beam)

        def one_by_one(alone: list[np.ndarray] = alone) -> None:
            for row in alone:
                captioner.decode(row, beam=args.beam)

        rounds = [(seconds(together) / photos, seconds(one_by_one) / len(alone)) for _ in range(args.rounds)]
        ratio = float(np.median([b / a for a, b in rounds]))
        a, b = (1000 * float(np.median(times)) for times in zip(*rounds, strict=True))
        print(f"{photos:6}  {a:8.2f}  {b:10.2f}  {ratio:5.1f}")


def random_features(captioner: Captioner, photos: int) -> np.ndarray:
    """Features (N, ...) of no photos at all."""
    shape = (photos, *captioner.encoder.shapes[captioner.model.reads])
    state = captioner.model.state
    drawn = np.random.default_rng(0).normal(size=shape)
    features = drawn * to_host(state["feature_std"]) + to_host(state["feature_mean"])
    return to_device(features.astype(np.float32))


def seconds(work: Callable[[], None]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


if __name__ == "__main__":
    main()
