"""A recurrent layer that reads the sequence in both directions (Schuster & Paliwal 1997)."""

from collections.abc import Callable
from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.errors import InputError
from minicap.layers.checks import check, check_dout, shape_error
from minicap.layers.gru import gru_backward, gru_forward
from minicap.layers.lstm import lstm_backward, lstm_forward
from minicap.layers.rnn import rnn_backward, rnn_forward

_LAYERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "rnn": (rnn_forward, rnn_backward),
    "lstm": (lstm_forward, lstm_backward),
    "gru": (gru_forward, gru_backward),
}


class BidirectionalCache(NamedTuple):
    layer: str
    along: Any  # the layer's own cache, first step to last
    against: Any  # the same, last step to first
    shape: tuple[int, ...]  # of the output


@accelerated
def bidirectional_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    bh: Array | None = None,
    c0: Array | None = None,
    layer: str = "lstm",
    mask: Array | None = None,
    **options: Any,
) -> tuple[Array, BidirectionalCache]:
    """Run a recurrent layer along the sequence and against it, each with its own weights:

    out[n, t] = [forward state after x[n, 0..t], backward state after x[n, T-1..t]].

    x: (N, T, D).  layer: "rnn", "lstm" or "gru".  Its arrays have a first axis of 2, along and against:
    h0 (2, N, H), Wx (2, D, gH), Wh (2, H, gH), b (2, gH), for a GRU bh (2, 3H), for an LSTM c0 (2, N, H)
    if wanted.  options: the layer's own (activation, reset_after).
    mask: (N, T), 0 where a state is carried on unchanged; so the backward state starts from h0 at the last
    real step of each sequence, however short, and stays h0 on the padding after it.
    Returns out (N, T, 2H) and the cache.
    Raises ShapeError when the sizes do not fit, InputError for an unknown layer or bh without a GRU.
    """
    xp = check(
        bidirectional_forward,
        x=(x, "N T D"),
        h0=(h0, "2 N H"),
        Wx=(Wx, "2 D G"),
        Wh=(Wh, "2 H G"),
        b=(b, "2 G"),
        bh=(bh, "2 G?"),
        c0=(c0, "2 N H?"),
    )
    if len(h0) != 2:
        raise shape_error(
            bidirectional_forward, "the first axis must be 2, one entry for each direction", h0=h0
        )
    if layer not in _LAYERS:
        raise InputError(f"bidirectional_forward: layer is {layer!r} but must be one of {', '.join(_LAYERS)}")
    if (bh is not None) != (layer == "gru") or (c0 is not None and layer != "lstm"):
        raise InputError(
            f'bidirectional_forward: layer "{layer}" does not go with these arrays: '
            "a GRU needs bh, which no other layer has; only an LSTM has c0"
        )

    forward, _ = _LAYERS[layer]
    arrays = {name: a for name, a in (("bh", bh), ("c0", c0)) if a is not None}

    def run(k: int, x: Array, mask: Array | None) -> Any:
        own = {name: a[k] for name, a in arrays.items()}
        return forward(x, h0[k], Wx[k], Wh[k], b[k], **own, mask=mask, **options)

    h, along = run(0, x, mask)
    g, against = run(1, x[:, ::-1], mask if mask is None else mask[:, ::-1])
    out = xp.concatenate((h, g[:, ::-1]), axis=2)
    return out, BidirectionalCache(layer, along, against, out.shape)


@accelerated
def bidirectional_backward(dout: Array, cache: BidirectionalCache) -> tuple[Any, ...]:
    """Gradients of bidirectional_forward.  dout: (N, T, 2H).

    Returns dx, dh0, dWx, dWh, db, dbh, dc0, shaped as the arguments: dbh a GRU's, dc0 an LSTM's, else None.
    x is read twice, so dx is the sum of both directions; the rest belongs to one direction each.
    """
    layer, along, against, shape = cache
    xp = check_dout(bidirectional_backward, shape, dout=dout)

    _, backward = _LAYERS[layer]
    H = shape[2] // 2
    dx, *gradients = backward(dout[:, :, :H], along)
    dx_against, *gradients_against = backward(dout[:, ::-1, H:], against)
    dh0, dWx, dWh, db, *own = (xp.stack(pair) for pair in zip(gradients, gradients_against, strict=True))
    dbh, dc0 = (own[0] if own and layer == name else None for name in ("gru", "lstm"))
    return dx + dx_against[:, ::-1], dh0, dWx, dWh, db, dbh, dc0
