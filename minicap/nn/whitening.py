"""A first layer whose filters come from the statistics of the images."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minicap import layers
from minicap.arrays import Array, to_device, to_host
from minicap.arrays.random import RandomStream
from minicap.errors import InputError, ShapeError
from minicap.nn.init import zeros
from minicap.nn.module import Gradients, Module
from minicap.nn.sharing import Work


class PatchWhitening(Module):
    """Convolution of x (N, C, H, W) with uncorrelated outputs of variance 1; only its bias is learned.

    A patch of size x size pixels has D = C size^2 numbers.  For each eigenvector v of their covariance, with
    eigenvalue s, there is a filter v / sqrt(s + eps) and its negative, which the following nonlinearity
    treats
    differently: 2 D filters in all.
    Until `fit` takes them from images, the filters are those of white noise: single pixels.
    Source: Jordan 2024, section 3.1, after Coates & Ng 2012.
    """

    kind = "whitening"

    def __init__(self, in_channels: int, size: int = 2, eps: float = 5e-4) -> None:
        super().__init__()
        self.shape, self.eps = (in_channels, size, size), eps
        pixels = np.eye(in_channels * size**2)
        self.buffers = {"w": self._both_signs(pixels)}
        self.declare("b", (2 * len(pixels),), zeros)

    def fit(self, images: Array) -> None:
        """Take the filters from images (M, C, H, W), prepared like those of training.

        Raises ShapeError for images with other channels or smaller than a patch, InputError for no images.
        """
        C, size, _ = self.shape
        if images.ndim != 4 or images.shape[1] != C or min(images.shape[2:]) < size:
            raise ShapeError(f"PatchWhitening: images is {images.shape}, without patches of {self.shape}")
        if not len(images):
            raise InputError("PatchWhitening: there are no images to take the filters from")
        D, covariance, patches = C * size**2, 0.0, 0
        for image in to_host(images):
            windows = sliding_window_view(image.astype(np.float64), (size, size), axis=(1, 2))
            columns = windows.transpose(0, 3, 4, 1, 2).reshape(D, -1)
            covariance, patches = covariance + columns @ columns.T, patches + columns.shape[1]
        variances, directions = np.linalg.eigh(covariance / patches)
        w = self._both_signs((directions / np.sqrt(variances + self.eps)).T)
        self.buffers = {"w": to_device(w.astype(self["b"].dtype))}

    def _both_signs(self, rows: np.ndarray) -> np.ndarray:
        """Filters (2 D, C, size, size) from rows (D, D)."""
        filters = rows.reshape(-1, *self.shape)
        return np.concatenate([filters, -filters])

    def forward(self, x: Array, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return layers.conv_forward(x, self.buffers["w"], self["b"])

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        dx, _, db = layers.conv_backward(dout, cache, input_gradient)
        return dx, {"b": db}

    def work(self, pixels: int) -> Work:
        """Every weight meets every pixel."""
        return Work(self.buffers["w"].size * pixels, pays=True)
