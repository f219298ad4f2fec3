"""Data loading: from JPEG files to a batch, on one thread."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import Case, Task
from benchmarks.torch_mode import TorchMode
from minicap.data import load_sample
from minicap.data.images import Preprocess, load_image

PREPROCESS = Preprocess(
    name="benchmark",
    size=224,
    resize_to=256,
    fit="crop",
    interpolation="bilinear",
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


@dataclass(frozen=True)
class PhotoLoading:
    """Decode the photos of the sample in the package, crop, resize, normalise, and stack them."""

    def paths(self) -> list[Path]:
        return [image.path for image in load_sample().images]

    def minicap(self, threads: int) -> Task:
        paths = self.paths()

        def load() -> Any:
            return np.stack([PREPROCESS(load_image(path)) for path in paths])

        return Task(load, lambda: {"batch": load()})

    def torch(self, mode: TorchMode) -> Task:
        import torch
        from PIL import Image

        paths = self.paths()
        size, margin = PREPROCESS.size, (PREPROCESS.resize_to - PREPROCESS.size) // 2
        mean, std = (torch.tensor(n).reshape(3, 1, 1) for n in (PREPROCESS.mean, PREPROCESS.std))

        def load_one(path: Path) -> Any:
            with Image.open(path) as file:
                photo = file.convert("RGB")
            side = min(photo.size)
            left, top = (photo.width - side) // 2, (photo.height - side) // 2
            photo = photo.crop((left, top, left + side, top + side))
            photo = photo.resize((PREPROCESS.resize_to,) * 2, Image.Resampling.BILINEAR)
            photo = photo.crop((margin, margin, margin + size, margin + size))
            pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)
            return ((pixels.float() * PREPROCESS.scale - mean) / std).contiguous()

        def load() -> Any:
            return torch.stack([load_one(path) for path in paths])

        return Task(load, lambda: {"batch": load()})


CASES = [
    Case(
        "photos/load",
        "decode and preprocess the 104 JPEGs of the sample to (3, 224, 224)",
        PhotoLoading(),
        items=104,
        unit="images",
    )
]
