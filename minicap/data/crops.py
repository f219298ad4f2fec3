"""Random crops of photos whose features can still be computed once and kept."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minicap.arrays.random import RandomStream, random_uint16
from minicap.data.images import Preprocess


@dataclass(frozen=True)
class RandomCrop:
    """Prepares photos as `preprocess` does, but takes a random part of each, mirrored every second time.

    With its shorter side at resize_to pixels, a photo loses all but size x size anywhere in it (Simonyan &
    Zisserman 2015, section 3.1).  Which part that is depends only on `number` and the name of its file:
    crop 3 of a photo is always the same.
    """

    preprocess: Preprocess
    number: int

    def read(self, path: str | os.PathLike[str]) -> np.ndarray:
        """The input (3, size, size) float32 for the photo in a file.  Raises InputError as `load_image`."""
        name = hashlib.sha256(os.fsencode(Path(path).name)).digest()
        stream = RandomStream(int.from_bytes(name[:8], "little")).child(self.number)
        top, left, side = (random_uint16(stream, (1, 3))[0] / 65536).tolist()
        return self.preprocess.of_part(self.preprocess.load(path), top, left, mirrored=side < 0.5)

    def to_json(self) -> str:
        return json.dumps(json.loads(self.preprocess.to_json()) | {"random crop": self.number})
