"""The transposed convolution: a convolution's backward as a layer of its own, which enlarges images."""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.arrays.columns import col2im, im2col
from minicap.arrays.windows import IntOrPair, Window, whole, window_under
from minicap.layers.checks import check, check_dout, shape_error


class ConvTransposeCache(NamedTuple):
    x: Array  # (N, C, H, W) input as given
    w: Array  # (C, F/groups, HH, WW)
    has_bias: bool
    window: Window  # slides over out, with one position for every pixel of x
    groups: int


@accelerated
def conv_transpose_forward(
    x: Array,
    w: Array,
    b: Array | None,
    stride: IntOrPair = 1,
    pad: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    output_pad: IntOrPair = 0,
) -> tuple[Array, ConvTransposeCache]:
    """Stamp the filters onto a larger image, each scaled by a pixel of x, and add where they overlap:

    out[n, f, s i + d p - pad, s j + d q - pad] += x[n, c, i, j] w[c, f, p, q],  from out[n, f] = b[f]

    x: (N, C, H, W).  w: (C, F/groups, HH, WW), so that conv_backward's dx for filters w is this out.
    b: (F,) or None.  stride (s), dilation (d), groups as in conv_forward.  pad: rows and columns cut off on
    each side.  output_pad: rows and columns added at the end, where a convolution's stride left some out;
    less than stride or dilation.
    Returns out (N, F, OH, OW) and the cache, OH = s (H - 1) + d (HH - 1) + 1 - 2 pad + output_pad.
    Raises ShapeError when channels and groups do not fit or nothing is left after cropping, InputError for an
    option that cannot be used.  Source: Zeiler et al. 2010, "Deconvolutional Networks".
    """
    check(conv_transpose_forward, x=(x, "N C H W"), w=(w, "C I HH WW"))
    (N, C, H, W), (_, filters_made, HH, WW) = x.shape, w.shape
    groups = whole(conv_transpose_forward, "groups", groups)
    F = filters_made * groups
    if C % groups:
        raise shape_error(
            conv_transpose_forward, f"{C} channels cannot be split into {groups} groups", x=x, groups=groups
        )
    if b is not None:
        check(conv_transpose_forward, x=(x, "N C H W"), b=(b, "F"))
        if len(b) != F:
            raise shape_error(
                conv_transpose_forward,
                f"b has {len(b)} entries but w makes {F} channels",
                b=b,
                w=w,
                groups=groups,
            )
    window = window_under(conv_transpose_forward, (H, W), (HH, WW), stride, pad, dilation, output_pad)

    filters = w.reshape(groups, C // groups, -1)
    pixels = x.swapaxes(0, 1).reshape(groups, C // groups, -1)
    columns = filters.swapaxes(1, 2) @ pixels
    out = col2im(columns.reshape(F, HH, WW, N, H, W), window)
    if b is not None:
        out = out + b[:, None, None]
    return out, ConvTransposeCache(x, w, b is not None, window, groups)


@accelerated
def conv_transpose_backward(dout: Array, cache: ConvTransposeCache) -> tuple[Array, Array, Any]:
    """Gradients of conv_transpose_forward.  dout: (N, F, OH, OW).  Returns dx, dw, db, None when b was.

    out = col2im(filters^T x) + b, and the transpose of col2im is im2col: with dcolumns = im2col(dout),
    dx = filters dcolumns, a convolution of dout, and dfilters = x dcolumns^T.
    """
    x, w, has_bias, window, groups = cache
    N, C, H, W = x.shape
    _, filters_made, HH, WW = w.shape
    check_dout(conv_transpose_backward, (N, filters_made * groups, *window.image), dout=dout)

    filters = w.reshape(groups, C // groups, -1)
    pixels = x.swapaxes(0, 1).reshape(groups, C // groups, -1)
    dcolumns = im2col(dout, window).reshape(groups, filters_made * HH * WW, -1)
    dx = (filters @ dcolumns).reshape(C, N, H, W).swapaxes(0, 1)
    dw = (pixels @ dcolumns.swapaxes(1, 2)).reshape(w.shape)
    db = dout.sum(axis=(0, 2, 3)) if has_bias else None
    return dx, dw, db
