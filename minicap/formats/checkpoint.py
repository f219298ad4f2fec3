"""Checkpoints: everything a run needs to go on, in one safetensors file, never pickle."""

import json
import os
from typing import Any, NamedTuple

from minicap import __version__
from minicap.arrays import Array, to_host
from minicap.errors import FormatError
from minicap.formats.safetensors import load_safetensors, save_safetensors

_FORMAT = 1


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    model: parameters and buffers by flat name.  optimizer: its memory by flat name.
    progress: where the run stands (JSON values).  about: what the model needs to be used again
    (its kind and settings, vocabulary, preprocessing; JSON values).
    """

    model: dict[str, Array]
    optimizer: dict[str, Array]
    progress: dict[str, Any]
    about: dict[str, Any]


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint, crash-safe; live arrays stay where they are.  Raises InputError when it cannot."""
    tensors = {f"model/{name}": to_host(a) for name, a in checkpoint.model.items()}
    tensors |= {f"optimizer/{name}": to_host(a) for name, a in checkpoint.optimizer.items()}
    metadata = {
        "minicap": json.dumps({"format": _FORMAT, "version": __version__}),
        "progress": json.dumps(checkpoint.progress),
        "about": json.dumps(checkpoint.about),
    }
    save_safetensors(path, tensors, metadata)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises FormatError when the file is damaged, is no checkpoint of minicap, or is of a newer format.
    """
    tensors, metadata = load_safetensors(path)
    if "minicap" not in metadata:
        raise FormatError(f"{path} is a safetensors file but no minicap checkpoint")
    try:
        written = json.loads(metadata["minicap"])["format"]
        progress, about = dict(json.loads(metadata["progress"])), dict(json.loads(metadata["about"]))
    except (KeyError, TypeError, ValueError):
        raise FormatError(f"{path}: the header of this checkpoint is damaged") from None
    if written != _FORMAT:
        raise FormatError(f"{path} is of checkpoint format {written}; this minicap reads format {_FORMAT}")

    def part(name: str) -> dict[str, Array]:
        return {k.removeprefix(f"{name}/"): a for k, a in tensors.items() if k.startswith(f"{name}/")}

    return Checkpoint(part("model"), part("optimizer"), progress, about)
