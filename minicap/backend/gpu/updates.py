"""Update rules of minicap.optim for many parameters in one launch.

The addresses of all arrays travel by value, inside the launch, so nothing is copied to the device.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from operator import is_
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from minicap.arrays.backends import backend_of
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import Kernel, readable

MOST_TENSORS, ENTRIES_A_BLOCK = 32, 1024  # as in updates.cu

TENSORS = np.dtype(
    [
        *((name, np.uint64, MOST_TENSORS) for name in ("w", "dw", "memory0", "memory1")),
        ("size", np.int32, MOST_TENSORS),
        ("first_block", np.int32, MOST_TENSORS + 1),
        ("count", np.int32),
    ],
    align=True,
)

Arrays = Sequence[Any]  # CuPy's: their addresses and devices are asked for
Slots = Sequence[Mapping[str, Any]]  # a rule's arrays of each parameter, in its own order
_KERNELS = {
    rule: Kernel("updates.cu", f"{rule.lower()}_update")
    for rule in ("SGD", "Momentum", "Nesterov", "AdaGrad", "AdaDelta", "RMSProp", "Adam", "AdamW")
}

_sum_squares = Kernel("updates.cu", "sum_squares")
_shorten_gradients = Kernel("updates.cu", "shorten_gradients")


def global_norm(grads: Arrays) -> Any:
    """global_norm of minicap.optim.clipping: sums over blocks of entries, then the sum of those."""
    xp, sums = backend_of(grad=grads[0]).xp, []
    for start in range(0, len(grads), MOST_TENSORS):
        some = grads[start : start + MOST_TENSORS]
        tensors, blocks = _table(some, some, [{}] * len(some))
        sums.append(xp.empty(blocks, dtype=some[0].dtype))
        _sum_squares.blocks(blocks, some[0], tensors=tensors, sums=sums[-1], blocks=blocks)
    return xp.sqrt((sums[0] if len(sums) == 1 else xp.concatenate(sums)).sum())


def shorten_all(grads: Arrays, norm: Any, limit: float) -> list[Any]:
    """shorten_all of minicap.optim.clipping: the device works out the scale."""
    shorter = [backend_of(grad=grad).xp.empty_like(grad) for grad in grads]
    for start in range(0, len(grads), MOST_TENSORS):
        some = slice(start, start + MOST_TENSORS)
        slots = [{"shorter": array} for array in shorter[some]]
        tensors, blocks = _table(grads[some], grads[some], slots)
        _shorten_gradients.blocks(blocks, tensors=tensors, norm=norm, limit=limit)
    return shorter


def _update_all(name: str, rule: Any, ws: Arrays, dws: Arrays, states: Slots) -> None:
    """Move the parameters ws by their gradients dws.  rule: of minicap.optim, of that name."""
    numbers = dict(learning_rate=rule.learning_rate, weight_decay=rule.weight_decay, **_numbers(name, rule))
    lasting = _known(rule, ws, states) or _keep(rule, ws, states)
    for start, (tensors, blocks) in zip(range(0, len(ws), MOST_TENSORS), lasting.tables, strict=True):
        some = dws[start : start + MOST_TENSORS]
        tensors["dw"][: len(some)] = [dw.data.ptr for dw in some]
        _KERNELS[name].blocks(blocks, ws[start], tensors=tensors, **numbers)


class Lasting(NamedTuple):
    """What stays from step to step: only gradients move, not the parameters or a rule's arrays.

    arrays: held, so that no others can take their addresses.  tables: complete but for dw.
    """

    arrays: list[Any]
    tables: list[tuple[np.ndarray, int]]


_of_rules: WeakKeyDictionary[Any, Lasting] = WeakKeyDictionary()


def _in_a_row(ws: Arrays, states: Slots) -> list[Any]:
    return [*ws, *(array for slots in states for array in slots.values())]


def _known(rule: Any, ws: Arrays, states: Slots) -> Lasting | None:
    """What is known from a rule's last step, if that had the same arrays."""
    known, arrays = _of_rules.get(rule), _in_a_row(ws, states)
    same = known is not None and len(known.arrays) == len(arrays) and all(map(is_, known.arrays, arrays))
    return known if same else None


def _keep(rule: Any, ws: Arrays, states: Slots) -> Lasting:
    """Work it out, and keep it."""
    parts = [slice(start, start + MOST_TENSORS) for start in range(0, len(ws), MOST_TENSORS)]
    tables = [_table(ws[some], ws[some], states[some]) for some in parts]
    _of_rules[rule] = Lasting(_in_a_row(ws, states), tables)
    return _of_rules[rule]


def _numbers(name: str, rule: Any) -> dict[str, float]:
    """A rule's numbers for its kernel, other than learning rate and weight decay."""
    if name in ("Momentum", "Nesterov"):
        return dict(momentum=rule.momentum)
    if name == "AdaGrad":
        return dict(eps=rule.eps)
    if name in ("AdaDelta", "RMSProp"):
        return dict(decay=rule.decay, new_share=1 - rule.decay, eps=rule.eps)
    if name in ("Adam", "AdamW"):
        correction1, correction2 = 1 - rule.beta1**rule.step_count, 1 - rule.beta2**rule.step_count
        shares = dict(new_share1=1 - rule.beta1, new_share2=1 - rule.beta2)
        return shares | dict(correction1=correction1, correction2=correction2, eps=rule.eps)
    return {}


def _table(ws: Arrays, dws: Arrays, memory: Slots) -> tuple[np.ndarray, int]:
    """The struct that the kernels read, and how many blocks they need."""
    table, count = np.zeros((), TENSORS), len(ws)
    sizes = [w.size for w in ws]
    first_blocks = [0, *accumulate(-(-size // ENTRIES_A_BLOCK) for size in sizes)]
    columns = dict(w=ws, dw=dws)
    columns |= {
        f"memory{k}": arrays for k, arrays in enumerate(zip(*(s.values() for s in memory), strict=True))
    }
    for name, arrays in columns.items():  # a column at once: NumPy is slow at single entries
        table[name][:count] = [array.data.ptr for array in arrays]
    table["size"][:count], table["first_block"][: count + 1], table["count"] = sizes, first_blocks, count
    return table, first_blocks[-1]


def _supports(rule: Any, ws: Arrays, dws: Arrays, states: Slots) -> bool:
    if _known(rule, ws, states):
        return _addressable([ws[0], *dws])
    arrays = [*dws, *_in_a_row(ws, states)]
    alike = all(
        array.shape == w.shape for w, slots in zip(ws, states, strict=True) for array in slots.values()
    )
    return alike and _addressable(arrays)


def _addressable(arrays: Arrays) -> bool:
    """Whether a kernel can find the arrays by address alone."""
    in_one_piece = all(array.flags.c_contiguous for array in arrays)
    return readable(*arrays) and in_one_piece and all(a.device == arrays[0].device for a in arrays)


def _supports_grads(grads: Arrays, norm: Any = None, limit: float = 1.0) -> bool:
    return _addressable(grads if norm is None else [*grads, norm])


OVERRIDES = (
    *(Override(f"{name}.update", partial(_update_all, name), _supports) for name in _KERNELS),
    Override("global_norm", global_norm, _supports_grads),
    Override("shorten_all", shorten_all, _supports_grads),
)
