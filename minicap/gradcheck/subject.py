"""A layer or a loss with its inputs: how it is called, and which of its arguments are differentiated."""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.errors import MinicapError
from minicap.gradcheck.case import Inputs
from minicap.gradcheck.layouts import Layout, contiguous
from minicap.gradcheck.nested import arrays_in, flatten, is_float, map_leaves
from minicap.gradcheck.report import count


class Misfit(MinicapError):
    """A forward and a backward that do not fit together; the message is the verdict."""


@dataclass(frozen=True)
class Subject:
    """What is checked.  backward is None for a loss, which returns (loss, gradients...).

    float32: also judge it in float32.  directions: measure along so many random directions instead of entry
    by entry.  takes: which inputs the forward accepts, if not all.
    """

    layer: str
    variant: str
    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    inputs: Inputs
    fixed: tuple[str, ...] = ()
    smooth: bool = True
    float32: bool = True
    directions: int = 0
    takes: Callable[..., bool] | None = None

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        return dict(inspect.signature(self.forward).parameters)

    @cached_property
    def arguments(self) -> list[str]:
        """Paths of the differentiated arrays in the order of the signature: ["x", "w", "more[0]"]."""
        names = [name for name in self.parameters if name in self.inputs]
        names += [name for name in self.inputs if name not in names]
        return [
            path
            for name in names
            if name not in self.fixed
            for path, array in arrays_in(self.inputs[name], name)
            if is_float(array)
        ]

    def inputs_as(self, dtype: Any, fixed_too: bool = True, layout: Layout = contiguous) -> Inputs:
        """Copies of the inputs, every float array in the dtype, every generator at its first state."""

        def convert(leaf: Any) -> Any:
            if isinstance(leaf, np.ndarray):
                return layout(leaf.astype(dtype) if is_float(leaf) else leaf)
            return copy.deepcopy(leaf) if isinstance(leaf, np.random.Generator) else leaf

        return {
            name: map_leaves(convert, value) if fixed_too or name not in self.fixed else value
            for name, value in self.inputs.items()
        }

    def elsewhere(self, dtype: Any) -> Inputs:
        """Other inputs of the same shapes: the differentiated arrays with their entries reversed."""
        inputs = self.inputs_as(dtype)
        for array in self.differentiated(inputs):
            array[...] = array.ravel()[::-1].reshape(array.shape).copy()
        return inputs

    def differentiated(self, inputs: Inputs) -> list[Array]:
        """The differentiated arrays among some inputs, in the order of `arguments`."""
        found = dict(arrays_in(inputs))
        return [found[path] for path in self.arguments]

    def call(self, inputs: Inputs) -> Any:
        """forward(**inputs), where a *parameter takes the sequence of its name."""
        rest = dict(inputs)
        positional: list[Any] = []
        for name in self._given_by_position:
            starred = self.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
            value = rest.pop(name, None)
            positional += (value or ()) if starred else [value]
        return self.forward(*positional, **rest)

    @cached_property
    def _given_by_position(self) -> list[str]:
        """The parameters up to a *parameter that the inputs name, or else those that cannot be named."""
        kinds = {name: parameter.kind for name, parameter in self.parameters.items()}
        names = list(kinds)
        for name, kind in kinds.items():
            if kind is inspect.Parameter.VAR_POSITIONAL and name in self.inputs:
                return names[: names.index(name) + 1]
        return [n for n in names if kinds[n] is inspect.Parameter.POSITIONAL_ONLY and n in self.inputs]

    def outputs_and_cache(self, result: Any) -> tuple[list[Any], Any]:
        """The outputs that take an upstream gradient, and the cache.  For a loss: the loss and None.

        Raises Misfit when the forward's outputs and the backward's upstream gradients differ in number.
        """
        if self.backward is None:
            if not isinstance(result, tuple) or len(result) < 2:
                raise Misfit(f"the loss must return (loss, gradients...) but returns {_kind(result)}")
            return [result[0]], None
        if not isinstance(result, tuple) or len(result) < 2:
            raise Misfit(f"forward must return (out, cache) but returns {_kind(result)}")
        *outs, cache = result
        outs = [out for out in outs if any(is_float(leaf) for leaf in flatten(out))]
        if not outs:
            raise Misfit("forward returns no array of floats before its cache")
        expected = self.douts_taken
        if expected is not None and expected != len(outs):
            raise Misfit(
                f"forward returns {count(len(outs), 'output')} of floats but backward takes "
                f"{count(expected, 'upstream gradient')}"
            )
        return outs, cache

    @cached_property
    def douts_taken(self) -> int | None:
        """How many upstream gradients the backward takes before its cache; None for any number."""
        assert self.backward is not None
        parameters = list(inspect.signature(self.backward).parameters.values())
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            return None
        required = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        return required.index("cache") if "cache" in required else len(required) - 1

    def aligned(self, returned: Any) -> list[Any]:
        """What a backward returned as a list, without the None of every argument that was None itself."""
        gradients, places = flatten(returned), self._places
        if not len(self.arguments) < len(gradients) <= len(places):
            return gradients
        pairs = zip(gradients, places, strict=False)
        return [gradient for gradient, given in pairs if given or gradient is not None]

    @cached_property
    def _places(self) -> list[bool]:
        """For each argument that may have a gradient, in the order of the signature: whether it was given."""
        places: list[bool] = []
        for name, parameter in self.parameters.items():
            if name in self.fixed:
                continue
            value = self.inputs.get(name, parameter.default)
            places += [False] if value is None else [True for _, a in arrays_in(value, name) if is_float(a)]
        return places

    def gradients_from(self, returned: Any) -> list[Any]:
        """What a backward returned as a list, one for each argument.

        Raises Misfit for a wrong number, and for a dict.
        """
        what = "backward" if self.backward else "the loss"
        if any(isinstance(part, dict) for part in flatten(returned)):
            raise Misfit(f"{what} returns a dict; return the gradients in the order of the arguments")
        gradients = self.aligned(returned)
        if len(gradients) != len(self.arguments):
            raise Misfit(
                f"{what} returns {count(len(gradients), 'gradient')} for "
                f"{count(len(self.arguments), 'argument')} ({', '.join(self.arguments)})"
            )
        return gradients


def _kind(value: Any) -> str:
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else f"one {type(value).__name__}"
