"""Weights in 8 bits: integers from -127 to 127, with a scale to multiply them by for each output channel.

A safetensors file holds "name" as int8 and "name.scale" as float32 beside it.
"""

from collections.abc import Mapping

import numpy as np

from minicap.errors import FormatError

_LARGEST = 127
_SCALE = ".scale"
_OUTPUTS = {2: 1, 4: 0}  # the axis of output channels: matrices (in, out), filters (F, C, HH, WW)


def to_eight_bits(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Matrices and filters as int8 with their scales, everything else as it is.

    The largest weight of a channel becomes 127 or -127, so no weight is off by more than half of its scale.
    """
    packed: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if array.ndim not in _OUTPUTS:
            packed[name] = array
            continue
        inputs = tuple(axis for axis in range(array.ndim) if axis != _OUTPUTS[array.ndim])
        scale = np.abs(array).max(axis=inputs, keepdims=True).astype(np.float32) / _LARGEST
        scale[scale == 0] = 1  # a channel of zeros
        packed[name] = np.rint(array / scale).astype(np.int8)
        packed[name + _SCALE] = scale
    return packed


def from_eight_bits(packed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The float32 arrays that to_eight_bits was given, as exactly as 8 bits keep them.

    Raises FormatError if an array and its scales do not match.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, array in packed.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in packed:
            continue
        if array.dtype != np.int8:
            arrays[name] = array
            continue
        scale = packed.get(name + _SCALE)
        if scale is None or scale.ndim != array.ndim or scale.dtype != np.float32:
            raise FormatError(f"{name} is in 8 bits but has no scales")
        if any(own not in (1, size) for own, size in zip(scale.shape, array.shape, strict=True)):
            raise FormatError(f"{name} is {array.shape}, which scales {scale.shape} do not fit")
        arrays[name] = array * scale
    return arrays
