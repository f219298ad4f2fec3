"""Keras' weights in HDF5 files (.h5), read with h5py.

A file has a group for each layer.  An attribute of the file lists the groups, and one of each group the data
sets in it, in the order in which the layer keeps them.  In the file of a whole model all this lies one group
deeper, under "model_weights".
"""

import os
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from minicap.errors import FormatError, InputError
from minicap.formats.regular import open_regular

_MOST_NAMES = 10_000
# What a layer keeps, by how many arrays it has: of matrices and filters, and of batch normalisation.
_WORDS = {1: ("kernel",), 2: ("kernel", "bias")}
_NORMALISATION_WORDS = {
    3: ("beta", "moving_mean", "moving_variance"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}


def load_keras(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a model's convolutions, matrices and batch normalisations, as "layer/kernel".

    The words are kernel and bias; gamma, beta, moving_mean and moving_variance.  They go by the order of a
    layer's arrays, since versions of Keras call them differently.
    Raises InputError without h5py, and when the file cannot be read; FormatError when it is damaged, has no
    weights as Keras writes them, leads to other files, or unpacks to more than its own size.
    """
    where = str(path)
    try:
        import h5py
    except ImportError:
        raise InputError(f'{where} is read with h5py; install it: pip install "minicap[keras]"') from None
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                with h5py.File(file, "r") as content:
                    return _Reader(h5py, size, where).arrays(content)
            except FormatError:
                raise
            except Exception as error:  # h5py raises almost any type on damaged files
                raise FormatError(f"{where}: not an HDF5 file, or damaged ({error})") from None
    except OSError as error:
        raise InputError(f"cannot read {where}: {error.strerror or error}") from None


class _Reader:
    """Reads one file; counts what it has read, so that a small file never fills the memory."""

    def __init__(self, h5py: Any, size: int, where: str) -> None:
        self.h5py, self.left, self.where = h5py, size, where

    def arrays(self, content: Any) -> dict[str, np.ndarray]:
        model = self._child(content, "model_weights") if "model_weights" in content else content
        found: dict[str, np.ndarray] = {}
        for layer in self._names(model, "layer_names"):
            group = self._child(model, layer)
            arrays = [self._array(group, name) for name in self._names(group, "weight_names")]
            if not arrays:
                continue
            words = _WORDS if arrays[0].ndim > 1 else _NORMALISATION_WORDS
            if len(arrays) not in words:
                raise FormatError(f"{self.where}: layer {layer!r:.60} is of a kind that is not known")
            found |= {f"{layer}/{word}": a for word, a in zip(words[len(arrays)], arrays, strict=True)}
        return found

    def _names(self, group: Any, attribute: str) -> Iterator[str]:
        """Those in an attribute; of many Keras makes several: "layer_names0", "layer_names1", ..."""
        pieces = [attribute] if attribute in group.attrs else []
        while not pieces or pieces[-1] != attribute:
            piece = f"{attribute}{len(pieces)}"
            if piece not in group.attrs:
                break
            pieces.append(piece)
        if not pieces:
            raise FormatError(f"{self.where}: no weights as Keras writes them ({attribute} is missing)")
        for piece in pieces:
            stored = group.attrs.get_id(piece)
            if prod(stored.shape) > _MOST_NAMES:
                raise FormatError(f"{self.where}: {piece} lists {prod(stored.shape)} names")
            names = np.ravel(group.attrs[piece]).tolist() if prod(stored.shape) else []
            for name in names:
                if not isinstance(name, (bytes, str)):
                    raise FormatError(f"{self.where}: {piece} is no list of names")
                yield name.decode("utf-8") if isinstance(name, bytes) else name

    def _child(self, group: Any, path: str) -> Any:
        """What lies in the file itself under this path."""
        for name in path.split("/"):
            if not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
                raise FormatError(f"{self.where}: refused, since {name!r:.60} leads elsewhere")
            group = group[name]
        return group

    def _array(self, group: Any, path: str) -> np.ndarray:
        stored = self._child(group, path)
        if not isinstance(stored, self.h5py.Dataset) or stored.dtype.kind != "f":
            raise FormatError(f"{self.where}: {path!r:.60} is no array of floats")
        if stored.external or stored.is_virtual:
            raise FormatError(f"{self.where}: refused, since the numbers of {path!r:.60} lie in another file")
        self.left -= stored.nbytes
        if self.left < 0:
            raise FormatError(
                f"{self.where}: {path!r:.60} is {stored.shape}, more than the file has room for"
            )
        return np.asarray(stored[()])
