"""From the labels so far to the state that predicts the next one: an LSTM, plain or with attention."""

from typing import Any

from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.layers import concat_backward, concat_forward, lstm_step_backward, lstm_step_forward
from minicap.nn import LSTM, AdditiveAttention, Affine, Dropout, Gradients, Module, Sequential, Tanh, prefixed
from minicap.nn.init import glorot_uniform

State = tuple[Array, ...]


class Decoder(Module):
    """d_t, c_t = lstm(dropout(x_t), d_t-1, c_t-1), with dropout on the output d_t too.

    Dropout is on inputs and outputs, not between steps (Zaremba et al. 2014).
    forward takes (x (N, T, E), h0 (N, H), c0 (N, H)) and returns d (N, T, H).
    """

    def __init__(self, embed_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.before, self.after = Dropout(dropout), Dropout(dropout)
        self.cell = LSTM(embed_size, hidden_size)

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        inputs, h0, c0 = x
        inputs, before = self.before.forward(inputs, train, rng)
        d, cell = self.cell.forward(inputs, train, rng, h0=h0, c0=c0)
        d, after = self.after.forward(d, train, rng)
        return d, (before, cell, after)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        """Gradients of x, h0 and c0, and of the parameters."""
        before, cell, after = cache
        dd, _ = self.after.backward(dout, after)
        dinputs, grads, (dh0, dc0) = self.cell.backward_to_start(dd, cell)
        dinputs, _ = self.before.backward(dinputs, before)
        return (dinputs, dh0, dc0), prefixed("cell", grads)

    def step(self, x: Array, state: State) -> State:
        """The state (d, c) after one more label x (N, E)."""
        return self.cell.step(x, state)


class AttentiveDecoder(Module):
    """An LSTM that looks at the places p_1 ... p_S before every label (Bahdanau et al. 2015), with input
    feeding (Luong et al. 2015), as in Ren's eq. 3 to 7:

        x~_t = tanh([d~_t-1, x_t] W_x + b_x),   d_t, c_t = lstm(dropout(x~_t), d_t-1, c_t-1),
        a_t = additive attention from d_t over p,   d~_t = tanh([a_t, d_t] W_c + b_c).

    forward takes (x (N, T, E), h0 (N, H), c0 (N, H), p (N, S, H)) and returns d~ (N, T, H).
    """

    def __init__(self, embed_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.before, self.after = Dropout(dropout), Dropout(dropout)
        self.feed = Sequential(
            affine=Affine(hidden_size + embed_size, embed_size, glorot_uniform), tanh=Tanh()
        )
        self.cell = LSTM(embed_size, hidden_size)
        self.attention = AdditiveAttention(hidden_size, hidden_size, hidden_size)
        self.join = Sequential(affine=Affine(2 * hidden_size, hidden_size, glorot_uniform), tanh=Tanh())

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        inputs, d, c, places = x
        attended = backend_of(d=d).xp.zeros_like(d)
        outputs, steps = [], []
        for t in range(inputs.shape[1]):
            step_rng = rng.child(t) if rng else None
            fed, fed_cache = concat_forward(attended, inputs[:, t], axis=1)
            fed, feed = self.feed.forward(fed, train)
            fed, before = self.before.forward(fed, train, step_rng)
            d, c, cell = lstm_step_forward(fed, d, c, *self._cell())
            context, attention = self.attention.forward((places, d), train)
            joined, joined_cache = concat_forward(context, d, axis=1)
            attended, join = self.join.forward(joined, train)
            out, after = self.after.forward(attended, train, step_rng)
            outputs.append(out)
            steps.append((fed_cache, feed, before, cell, attention, joined_cache, join, after))
        return backend_of(d=d).xp.stack(outputs, axis=1), steps

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        """Gradients of x, h0, c0 and p, and of the parameters."""
        xp = backend_of(dout=dout).xp
        dattended = dd = dc = xp.zeros_like(dout[:, 0])
        dplaces: Any = 0
        dinputs: list[Array] = []
        grads: Gradients = {}
        for t in reversed(range(len(cache))):
            fed_cache, feed, before, cell, attention, joined_cache, join, after = cache[t]
            dout_t, _ = self.after.backward(dout[:, t], after)
            djoined, of_join = self.join.backward(dout_t + dattended, join)
            dcontext, dd_joined = concat_backward(djoined, joined_cache)
            (dplaces_t, dquery), of_attention = self.attention.backward(dcontext, attention)
            dplaces = dplaces + dplaces_t
            dfed, dd, dc, *of_cell = lstm_step_backward(dd + dd_joined + dquery, dc, cell)
            dfed, _ = self.before.backward(dfed, before)
            dfed, of_feed = self.feed.backward(dfed, feed)
            dattended, dinput = concat_backward(dfed, fed_cache)
            dinputs.append(dinput)
            of_step = prefixed("cell", dict(zip(self.cell.names, of_cell, strict=True)))
            of_step |= prefixed("feed", of_feed) | prefixed("attention", of_attention)
            add_up(grads, of_step | prefixed("join", of_join))
        return (xp.stack(dinputs[::-1], axis=1), dd, dc, dplaces), grads

    def step(self, x: Array, state: State) -> tuple[State, Array]:
        """The state (d~, d, c, p) after one more label x (N, E), and how much it looked at each place."""
        attended, d, c, places = state
        fed, _ = concat_forward(attended, x, axis=1)
        d, c = self.cell.step(self.feed(fed), (d, c))
        joined, _ = concat_forward(self.attention((places, d)), d, axis=1)
        return (self.join(joined), d, c, places), self.attention.weights((places, d))

    def _cell(self) -> list[Array]:
        return [self.cell[name] for name in self.cell.names]


def run_cell(cell: LSTM, x: Array, h: Array, c: Array) -> tuple[Array, State, Any]:
    """An LSTM over x (N, S, E) from the state h, c.

    Returns its outputs (N, S, H), the state it ends in, and the cache.
    """
    outputs, steps = [], []
    for s in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, s], h, c, *(cell[name] for name in cell.names))
        outputs.append(h)
        steps.append(cache)
    return backend_of(h=h).xp.stack(outputs, axis=1), (h, c), steps


def run_cell_backward(
    cell: LSTM, doutputs: Array | None, dh: Array, dc: Array, cache: Any
) -> tuple[Array, Gradients]:
    """Gradients of x and of the parameters.

    doutputs: (N, S, H), or None where only the last state was used.  dh, dc: (N, H), of that state.
    """
    dinputs: list[Array] = []
    grads: Gradients = {}
    for s in reversed(range(len(cache))):
        if doutputs is not None:
            dh = dh + doutputs[:, s]
        dx, dh, dc, *of_cell = lstm_step_backward(dh, dc, cache[s])
        dinputs.append(dx)
        add_up(grads, dict(zip(cell.names, of_cell, strict=True)))
    return backend_of(dh=dh).xp.stack(dinputs[::-1], axis=1), grads


def add_up(totals: Gradients, grads: Gradients) -> None:
    """Add gradients to the totals of earlier steps."""
    for name, gradient in grads.items():
        totals[name] = totals[name] + gradient if name in totals else gradient
