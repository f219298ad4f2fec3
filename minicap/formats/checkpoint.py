"""Checkpoints: everything a run needs to continue, in one safetensors file, never pickle."""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minicap import __version__
from minicap.arrays import Array, to_host
from minicap.errors import FormatError, InputError
from minicap.formats.documents import entry, json_type, parse_json
from minicap.formats.safetensors import load_safetensors, save_safetensors

_FORMAT = 1


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    model: parameters and buffers by flat name.  optimizer: its state by flat name.
    progress: how far the run has got (JSON values).  about: what is needed to use the model again
    (its kind and settings, vocabulary, preprocessing; JSON values).
    """

    model: dict[str, Array]
    optimizer: dict[str, Array]
    progress: dict[str, Any]
    about: dict[str, Any]


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint, crash-safe; live arrays stay where they are.

    Raises InputError when that fails, or when an array of the model is not finite floats.
    """
    model = {name: to_host(a) for name, a in checkpoint.model.items()}
    if flaw := _flaw(model):
        raise InputError(f"save_checkpoint: {path} was not written: {flaw}")
    tensors = {f"model/{name}": a for name, a in model.items()}
    tensors |= {f"optimizer/{name}": to_host(a) for name, a in checkpoint.optimizer.items()}
    metadata = {
        "minicap": json.dumps({"format": _FORMAT, "version": __version__}),
        "progress": json.dumps(checkpoint.progress),
        "about": json.dumps(checkpoint.about),
    }
    save_safetensors(path, tensors, metadata)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises FormatError when the file is damaged, is not a checkpoint of minicap, is of a newer format, or when
    an array of its model is not finite floats.
    """
    tensors, metadata = load_safetensors(path)
    _require_format(metadata, path)
    progress, about = (_described(metadata, name, path) for name in ("progress", "about"))

    def part(name: str) -> dict[str, Array]:
        return {k.removeprefix(f"{name}/"): a for k, a in tensors.items() if k.startswith(f"{name}/")}

    model = part("model")
    if flaw := _flaw(model):
        raise FormatError(f"{path}: {flaw}")
    return Checkpoint(model, part("optimizer"), progress, about)


def load_about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a checkpoint says about its model, without reading its arrays.

    Raises FormatError when the header is damaged, or the file is not a checkpoint of this format.
    """
    _, metadata = load_safetensors(path, mmap=True)
    _require_format(metadata, path)
    return _described(metadata, "about", path)


def narrowed(arrays: Mapping[str, Array], dtype: Any) -> dict[str, np.ndarray]:
    """The arrays of a model on the host in another precision.

    Raises InputError naming one with numbers too large for it.
    """
    whole = {name: to_host(a) for name, a in arrays.items()}
    with np.errstate(over="ignore"):
        found = {name: a.astype(dtype) for name, a in whole.items()}
    for name, array in found.items():
        if not np.isfinite(array).all() and np.isfinite(whole[name]).all():
            raise InputError(
                f"{name} reaches {np.abs(whole[name]).max():.3g}, too large for {array.dtype}; save it as "
                "float32 (--float32)"
            )
    return found


def _require_format(metadata: dict[str, str], path: str | os.PathLike[str]) -> None:
    if "minicap" not in metadata:
        raise FormatError(f"{path} is a safetensors file but not a minicap checkpoint")
    where = f"{path}: the header of this checkpoint is damaged"
    written = entry(_described(metadata, "minicap", path), "format", int, where)
    if written != _FORMAT:
        raise FormatError(f"{path} has checkpoint format {written}; this minicap reads format {_FORMAT}")


def _described(metadata: dict[str, str], name: str, path: str | os.PathLike[str]) -> dict[str, Any]:
    where = f"{path}: the header of this checkpoint is damaged"
    value = parse_json(entry(metadata, name, str, where), f"{where}: {name}")
    if not isinstance(value, dict):
        raise FormatError(f"{where}: {name} is {json_type(value)}")
    return value


def _flaw(model: dict[str, np.ndarray]) -> str:
    """What is wrong with the arrays of a model, or nothing."""
    for name, array in model.items():
        if not np.issubdtype(array.dtype, np.floating):
            return f"{name} is {array.dtype}, but a model's arrays are floats"
        if not np.isfinite(array).all():
            return f"{name} holds NaN or infinity"
    return ""
