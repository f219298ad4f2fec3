"""Inputs of the exercises that the gradient checker has no case for, or too few."""

from minicap.arrays.windows import window_over
from minicap.gradcheck.case import Case

OPTIONS = {
    "plain": dict(size=(2, 3), stride=1, pad=0),
    "padded": dict(size=(3, 3), stride=1, pad=1),
    "stride that does not fit": dict(size=(3, 2), stride=(2, 3), pad=(1, 2)),
    "dilation": dict(size=(2, 3), stride=1, pad=1, dilation=(1, 2)),
}


def images(options):
    return lambda rng: dict(images=rng.normal(size=(2, 3, 5, 6)), **options)


def columns(options):
    window = window_over(columns, (5, 6), **options)

    def make(rng):
        return dict(columns=rng.normal(size=(3, *window.size, 2, *window.out)), image=(5, 6), **options)

    return make


def ties(rng):
    return dict(x=rng.integers(0, 3, size=(2, 3, 4, 6)).astype(float), size=2)


CASES = [
    *(Case("im2col", name, images(options)) for name, options in OPTIONS.items()),
    *(Case("col2im", name, columns(options)) for name, options in OPTIONS.items()),
    # Where entries are equal, the numeric gradient has a kink and is left out; the first one wins.
    Case("max_pool", "ties", ties, smooth=False, directions=0),
]
