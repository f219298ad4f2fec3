"""Any layer pair as a module."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from minicap.arrays.random import RandomStream
from minicap.nn.init import Initializer, Shape
from minicap.nn.module import Gradients, Module


class Pair(Module):
    """A forward and its backward as a module:  out, cache = forward(x, *parameters, **options).

    parameters: the shape and initial values of each by name, in the order of the pair's arguments.
    options: the pair's keywords, the same in every call; change them in `module.options`.
    A pair with the keywords train and rng receives them, and one whose backward can leave out dx
    (input_gradient) does so when it is not needed.

        shape = Pair(elu_forward, elu_backward, alpha=0.5)
        dense = Pair(affine_forward, affine_backward, {"w": ((D, M), he_normal), "b": ((M,), zeros)})
    """

    def __init__(
        self,
        forward: Callable[..., tuple[Any, Any]],
        backward: Callable[..., Any],
        parameters: Mapping[str, tuple[Shape, Initializer]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.pair, self.options = (forward, backward), options
        for name, (shape, draw) in (parameters or {}).items():
            self.declare(name, shape, draw)
        keywords = signature(forward).parameters
        self.takes_train, self.takes_rng = "train" in keywords, "rng" in keywords
        self.can_spare_dx = "input_gradient" in signature(backward).parameters

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Any, Any]:
        options = dict(self.options)
        if self.takes_train:
            options["train"] = train
        if self.takes_rng:
            options["rng"] = rng
        return self.pair[0](x, *(self[name] for name in self.declared), **options)

    def backward(self, dout: Any, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        spared = {} if input_gradient or not self.can_spare_dx else {"input_gradient": False}
        grads = self.pair[1](dout, cache, **spared)
        dx, *own = grads if self.declared else (grads,)  # own may end in None, for an argument that was None
        return dx if input_gradient else None, dict(zip(self.declared, own, strict=False))
