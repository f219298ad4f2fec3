"""The positions of a window that slides over an image: the arithmetic of convolution and pooling."""

from collections.abc import Callable, Sequence
from operator import index
from typing import Any, Literal, NamedTuple, TypeAlias

from minicap.errors import InputError, ShapeError

Pair: TypeAlias = tuple[int, int]
IntOrPair: TypeAlias = int | Sequence[int]
Padding: TypeAlias = IntOrPair | Literal["same"]


class Window(NamedTuple):
    """A window sliding over images; every field is (along the height, along the width)."""

    image: Pair  # H, W before padding
    size: Pair  # HH, WW entries that the window reads
    stride: Pair  # from one position to the next
    dilation: Pair  # from one entry of the window to the next
    pad: tuple[Pair, Pair]  # rows (above, below), columns (left, right)
    out: Pair  # OH, OW positions


def window_over(
    function: Callable[..., Any],
    image: Sequence[int],
    size: Sequence[int],
    stride: IntOrPair,
    pad: Padding,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
) -> Window:
    """All positions of a window on an image:  out = floor((H + pads - reach) / stride) + 1.

    reach = dilation (size - 1) + 1.  Rows and columns that a stride does not reach are left out; with
    ceil_mode a last window may extend past the end, as long as it starts inside the image or its left pad.
    pad "same" gives out = ceil(H / stride), an odd row or column of zeros at the end (TensorFlow's rule, and
    PyTorch's at stride 1).

    Raises InputError for an invalid stride, dilation or pad, ShapeError when the window does not fit.
    """
    stride, dilation = pair(function, "stride", stride), pair(function, "dilation", dilation)
    reach = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    if isinstance(pad, str):
        if pad != "same":
            raise InputError(f'{function.__name__}: pad is {pad!r} but must be an integer, a pair or "same"')
        total = [max(0, r - (h - 1) % s - 1) for h, r, s in zip(image, reach, stride, strict=True)]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(p, p) for p in pair(function, "pad", pad, least=0)]
    padded = [h + sum(p) for h, p in zip(image, pads, strict=True)]
    if any(r > h for r, h in zip(reach, padded, strict=True)):
        raise ShapeError(
            f"{function.__name__}: the window {tuple(reach)} is larger than the padded image {tuple(padded)} "
            f"(size {tuple(size)}, dilation {dilation}, image {tuple(image)}, pad {tuple(pads)}); "
            "use a smaller window, a larger pad or a larger image"
        )
    out = [(h - r) // s + 1 for h, r, s in zip(padded, reach, stride, strict=True)]
    if ceil_mode:
        for axis, (h, r, s) in enumerate(zip(padded, reach, stride, strict=True)):
            before, after = pads[axis]
            if (h - r) % s and out[axis] * s < image[axis] + before:
                pads[axis] = (before, after + out[axis] * s + r - h)
                out[axis] += 1
    return Window(
        (image[0], image[1]), (size[0], size[1]), stride, dilation, (pads[0], pads[1]), (out[0], out[1])
    )


def window_under(
    function: Callable[..., Any],
    positions: Pair,
    size: Pair,
    stride: IntOrPair,
    pad: IntOrPair,
    dilation: IntOrPair,
    output_pad: IntOrPair,
) -> Window:
    """The window with these positions, on the image that a transposed convolution makes.

    output_pad: rows and columns at the image's end that no position reaches.

    Raises as window_over, InputError for an output_pad of a stride or more, ShapeError when pad cuts
    everything off.
    """
    strides, dilations = pair(function, "stride", stride), pair(function, "dilation", dilation)
    pads, extras = pair(function, "pad", pad, least=0), pair(function, "output_pad", output_pad, least=0)
    if any(e >= max(s, d) for e, s, d in zip(extras, strides, dilations, strict=True)):
        raise InputError(
            f"{function.__name__}: output_pad {extras} must be less than stride {strides} "
            f"or dilation {dilations}"
        )
    image = [
        s * (n - 1) + d * (k - 1) + 1 - 2 * p + e
        for n, k, s, d, p, e in zip(positions, size, strides, dilations, pads, extras, strict=True)
    ]
    if min(image) < 1:
        raise ShapeError(
            f"{function.__name__}: pad {pads} cuts everything off: the output would be {tuple(image)} "
            f"(image {positions}, window {size})"
        )
    return window_over(function, image, size, strides, pads, dilations)._replace(out=positions)


def pooling_window(
    function: Callable[..., Any],
    image: Sequence[int],
    size: IntOrPair,
    stride: IntOrPair | None = None,
    pad: IntOrPair = 0,
    ceil_mode: bool = False,
) -> Window:
    """All positions of a pooling window, options as in window_over; stride None means size.

    Raises as window_over, and ShapeError when pad is more than half the window.
    """
    sizes, pads = pair(function, "size", size), pair(function, "pad", pad, least=0)
    if any(2 * p > k for p, k in zip(pads, sizes, strict=True)):
        raise ShapeError(
            f"{function.__name__}: pad {pads} is more than half the window {sizes}; "
            "some windows would see nothing but padding"
        )
    strides = sizes if stride is None else pair(function, "stride", stride)
    return window_over(function, image, sizes, strides, pads, ceil_mode=ceil_mode)


def entries_inside(window: Window, margin: Pair, xp: Any) -> Any:
    """How many entries of each window lie on the image or its margin: integers (OH, OW)."""
    counts = []
    for axis, edge in enumerate(margin):
        start = xp.arange(window.out[axis]) * window.stride[axis] - window.pad[axis][0]
        end = xp.minimum(start + window.size[axis], window.image[axis] + edge)
        counts.append(end - xp.maximum(start, -edge))
    return counts[0][:, None] * counts[1]


def pair(function: Callable[..., Any], name: str, value: IntOrPair, least: int = 1) -> Pair:
    """An option given as one integer for both axes or as a pair, as a pair.

    Raises InputError for anything else, or a value below least.
    """
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    if len(values) != 2:
        raise InputError(
            f"{function.__name__}: {name} is {value!r} but must be an integer or a pair (height, width)"
        )
    return whole(function, name, values[0], least), whole(function, name, values[1], least)


def whole(function: Callable[..., Any], name: str, value: Any, least: int = 1) -> int:
    """An option that is a whole number.  Raises InputError for anything else, or a value below least."""
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise InputError(
            f"{function.__name__}: {name} is {value!r} but must be an integer of at least {least}"
        )
    return number
