"""Attention as modules.  They take several arrays, so x is a tuple."""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any, ClassVar

from minicap import layers
from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.nn.init import glorot_uniform, zeros
from minicap.nn.module import Gradients, Module


class Attention(Module):
    """What all kinds of attention share: from a tuple of arrays to the context, a weighted sum.

    forward takes a mask, 0 where attention must not go.  backward gives the gradients of x as a tuple.
    """

    layer: ClassVar[tuple[Callable[..., Any], Callable[..., Any]]]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def forward(
        self, x: Any, train: bool, rng: RandomStream | None = None, *, mask: Array | None = None
    ) -> tuple[Array, Any]:
        out, _, cache = self._attend(x, mask)
        return out, cache

    def weights(self, x: Any, mask: Array | None = None) -> Array:
        """The attention weights, as the layer's forward gives them."""
        return self._attend(x, mask)[1]

    def _attend(self, x: Any, mask: Array | None) -> tuple[Array, Array, Any]:
        parameters = {name: self[name] for name in self.declared}
        found: tuple[Array, Array, Any] = self.layer[0](*x, **parameters, **self.options, mask=mask)
        return found

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        every = self.layer[1](dout, None, cache)
        own = len(every) - len(self.declared)
        return every[:own] if input_gradient else None, dict(zip(self.declared, every[own:], strict=True))


class AdditiveAttention(Attention):
    """From a query d (N, query) to h (N, S, features); x is (h, d).  Options as in its layer."""

    layer = layers.additive_attention_forward, layers.additive_attention_backward

    def __init__(self, features: int, query: int, size: int) -> None:
        super().__init__()
        self.declare("W1", (features, size), glorot_uniform)
        self.declare("W2", (query, size), glorot_uniform)
        self.declare("b", (size,), zeros)
        self.declare("v", (size,), glorot_uniform)


class SoftAttention(Attention):
    """From a state h (N, hidden) to the positions of a grid (N, L, features); x is (grid, h).

    A gate lets it look away (Xu et al. 2015, section 4.2.1).
    """

    layer = layers.soft_attention_forward, layers.soft_attention_backward

    def __init__(self, features: int, hidden: int, size: int) -> None:
        super().__init__()
        self.declare("Wf", (features, size), glorot_uniform)
        self.declare("Wh", (hidden, size), glorot_uniform)
        self.declare("b", (size,), zeros)
        self.declare("v", (size,), glorot_uniform)
        self.declare("w_beta", (hidden, 1), glorot_uniform)
        self.declare("b_beta", (1,), zeros)


class SelfAttention(Attention):
    """Attention of queries, keys and values: x is (q, k, v), or one array that attends to itself."""

    def _attend(self, x: Any, mask: Array | None) -> tuple[Array, Array, Any]:
        alone = not isinstance(x, tuple)
        out, weights, cache = super()._attend((x, x, x) if alone else x, mask)
        return out, weights, (alone, cache)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        alone, own_cache = cache
        dx, grads = super().backward(dout, own_cache, input_gradient)
        return reduce(add, dx) if alone and input_gradient else dx, grads


class DotProductAttention(SelfAttention):
    """Scaled dot-product attention, which has no parameters; scaled as in its layer."""

    layer = layers.dot_product_attention_forward, layers.dot_product_attention_backward

    def __init__(self, scaled: bool = True) -> None:
        super().__init__(scaled=scaled)


class MultiHeadAttention(SelfAttention):
    """Several dot-product attentions side by side: q, k, v (N, ..., features) to (N, T, features).

    features: divisible by the number of heads.
    causal: whether each of T queries sees only the keys up to its own place, as the words of a sentence do.
    """

    layer = layers.multi_head_attention_forward, layers.multi_head_attention_backward

    def __init__(self, features: int, heads: int, causal: bool = False) -> None:
        super().__init__(heads=heads)
        self.causal = causal
        for name in ("Wq", "Wk", "Wv", "Wo"):
            self.declare(name, (features, features), glorot_uniform)

    def _attend(self, x: Any, mask: Array | None) -> tuple[Array, Array, Any]:
        if self.causal:
            q = x[0] if isinstance(x, tuple) else x
            N, T, _ = q.shape
            xp = backend_of(q=q).xp
            past = xp.broadcast_to(xp.tril(xp.ones((T, T), dtype=q.dtype)), (N, T, T))
            mask = past if mask is None else past * (mask if mask.ndim == 3 else mask[:, None])
        return super()._attend(x, mask)

    def keys_and_values(self, x: Array) -> tuple[Array, Array]:
        """What `step` looks at, projected once and kept; x (N, S, features)."""
        return x @ self["Wk"], x @ self["Wv"]

    def step(self, q: Array, keys: Array, values: Array) -> tuple[Array, Array]:
        """One query more, q (N, features): its output (N, features) and weights (N, heads, S)."""
        N, S, features = keys.shape
        heads = self.options["heads"]

        def split(x: Array) -> Array:  # every head is a sample of its own
            x = x.reshape(N, -1, heads, features // heads).swapaxes(1, 2)
            return x.reshape(N * heads, -1, features // heads)

        context, weights, _ = layers.dot_product_attention_forward(
            split(q @ self["Wq"]), split(keys), split(values)
        )
        return context.reshape(N, features) @ self["Wo"], weights.reshape(N, heads, S)
