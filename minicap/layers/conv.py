"""The convolution layer."""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.arrays.columns import col2im, im2col
from minicap.arrays.windows import IntOrPair, Padding, Window, whole, window_over
from minicap.layers.checks import check, check_dout, shape_error


class ConvCache(NamedTuple):
    x: Array  # (N, C, H, W) input as given; the backward makes its columns, HH*WW times as large, again
    w: Array  # (F, C/groups, HH, WW)
    has_bias: bool
    window: Window
    groups: int


@accelerated
def conv_forward(
    x: Array,
    w: Array,
    b: Array | None,
    stride: IntOrPair = 1,
    pad: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> tuple[Array, ConvCache]:
    """Slide F filters over every image (a cross-correlation, as usual in deep learning):

    out[n, f, i, j] = b[f] + sum_{c, p, q} w[f, c, p, q] x[n, c, s i + d p - pad, s j + d q - pad]

    x: (N, C, H, W).  w: (F, C/groups, HH, WW).  b: (F,) or None.
    stride (s), dilation (d): an integer or a pair (height, width).  pad: zeros around the image, an integer,
    a pair, or "same" for outputs of ceil(H / s), where an odd zero goes at the end.  groups: channels and
    filters are divided into this many independent groups; groups=C is a depthwise convolution.
    Returns out (N, F, OH, OW) and the cache, OH = floor((H + 2 pad - d (HH - 1) - 1) / s) + 1: rows and
    columns that the stride does not reach are left out.
    Raises ShapeError when channels, filters and groups do not fit or the window is larger than the padded
    image, InputError for an invalid stride, pad, dilation or groups.
    """
    check(conv_forward, x=(x, "N C H W"), w=(w, "F I HH WW"), b=(b, "F?"))
    (N, C, H, W), (F, channels_seen, HH, WW) = x.shape, w.shape
    groups = whole(conv_forward, "groups", groups)
    if channels_seen * groups != C:
        raise shape_error(
            conv_forward,
            f"x has {C} channels but w expects {channels_seen * groups}",
            x=x,
            w=w,
            groups=groups,
        )
    if F % groups:
        raise shape_error(
            conv_forward, f"{F} filters cannot be split into {groups} groups", w=w, groups=groups
        )
    window = window_over(conv_forward, (H, W), (HH, WW), stride, pad, dilation)

    filters = w.reshape(groups, F // groups, -1)
    columns = im2col(x, window).reshape(groups, channels_seen * HH * WW, -1)
    out = (filters @ columns).reshape(F, N, *window.out).swapaxes(0, 1)
    if b is not None:
        out = out + b[:, None, None]
    return out, ConvCache(x, w, b is not None, window, groups)


@accelerated
def conv_backward(dout: Array, cache: ConvCache, input_gradient: bool = True) -> tuple[Any, Array, Any]:
    """Gradients of conv_forward.  dout: (N, F, OH, OW).  Returns dx, dw, db (F,), which is None when b was.

    input_gradient=False: dx is None, for a network's first layer, whose input needs no gradient.

    In each group  out = filters columns + b,  so as in the affine layer  dfilters = dout columns^T  and
    dcolumns = filters^T dout; and since im2col copies pixels, dx adds up the gradients of all their copies.
    """
    x, w, has_bias, window, groups = cache
    (N, C, _, _), (F, channels_seen, HH, WW) = x.shape, w.shape
    check_dout(conv_backward, (N, F, *window.out), dout=dout)

    filters = w.reshape(groups, F // groups, -1)
    columns = im2col(x, window).reshape(groups, channels_seen * HH * WW, -1)
    dscores = dout.swapaxes(0, 1).reshape(groups, F // groups, -1)
    dx = None
    if input_gradient:
        dcolumns = filters.swapaxes(1, 2) @ dscores
        dx = col2im(dcolumns.reshape(C, HH, WW, N, *window.out), window)
    dw = (dscores @ columns.swapaxes(1, 2)).reshape(w.shape)
    db = dout.sum(axis=(0, 2, 3)) if has_bias else None
    return dx, dw, db
