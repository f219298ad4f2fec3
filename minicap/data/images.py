"""Photos from files, and the arithmetic that turns them into the input of a network."""

import hashlib
import json
import math
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from minicap.errors import DtypeError, FormatError, InputError, ShapeError
from minicap.formats import nearest
from minicap.formats.documents import parse_json
from minicap.formats.regular import open_regular

Fit = Literal["crop", "squash"]
Channels = Literal["RGB", "BGR"]
Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

# What Pillow may open. Its other readers call programs (Ghostscript for EPS) or are hardly ever used.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
_SPOKEN = {name: name for name in FORMATS} | {"WEBP": "WebP", "JPEG2000": "JPEG 2000"}

# The suffixes of such files; a photo that is named explicitly may have any name.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".webp", ".gif", ".bmp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)

# Warning filters are process-wide, so only one thread at a time may set them.
_FILTERS = threading.Lock()


def load_image(path: str | os.PathLike[str], enough: int | None = None) -> np.ndarray:
    """The photo in a file, as (H, W, 3) uint8 RGB, upright.

    enough: a sufficient shorter side.  A JPEG at least twice as large is read at a half, a quarter or an
    eighth of its size, which takes a fraction of the time and memory.

    The EXIF orientation is applied. Greyscale, palette, CMYK and 1-bit photos become RGB; 16-bit greyscale
    keeps its upper 8 bits; transparent pixels are laid over white; the first frame of an animation is used.
    Raises InputError, naming the file: missing, a folder, unreadable, empty, not an image, truncated or
    damaged, not a regular file, 32-bit or floating-point pixels, more pixels than Pillow's limit against
    decompression bombs.
    """
    path = Path(path)
    try:
        file = open_regular(path)
    except OSError as error:
        raise InputError(f"{path}: {_reason(path, error)}") from error
    with file:
        return read_image(file, str(path), enough)


def read_image(
    file: BinaryIO,
    name: str,
    enough: int | None = None,
    formats: tuple[str, ...] = FORMATS,
    most_pixels: int | None = None,
) -> np.ndarray:
    """The photo in an open file, as `load_image`.

    name: of the file, for messages.  formats: those that may be read, some of FORMATS.
    most_pixels: refuse a photo of more pixels, before any of them is decoded.
    Raises InputError as `load_image`.
    """
    try:
        if not file.read(1):
            raise InputError(f"{name}: the file is empty")
        file.seek(0)
        with _quiet():
            image = Image.open(file, formats=formats)
            _require_pixels(name, image, most_pixels)
            if enough is not None:
                image.draft(None, (enough, enough))  # never smaller than that; JPEGs alone can do it
        # Most of the time is spent here, and other threads may read photos meanwhile; only TIFFs warn.
        with _quiet() if image.format == "TIFF" else nullcontext():
            image.load()
        return _decode(name, image)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        readable = ", ".join(_SPOKEN[known] for known in formats)
        raise InputError(f"{name}: not an image that can be read ({readable})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        size = str(error).partition(",")[0]
        raise InputError(f"{name}: too large to open safely ({size}); shrink it first") from error
    except OSError as error:
        raise InputError(f"{name}: {_reason(name, error)}") from error
    except Exception as error:  # Pillow's readers raise almost any type on damaged files
        raise InputError(f"{name}: damaged image ({_one_line(error)})") from error


def _require_pixels(name: str, image: Image.Image, most: int | None) -> None:
    width, height = image.size
    if most is not None and width * height > most:
        raise InputError(
            f"{name}: {width} x {height} pixels are too many; at most {most / 1e6:.0f} million are read"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings, such as about broken EXIF data; photos with too many pixels are an error."""
    with _FILTERS, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _decode(name: str, image: Image.Image) -> np.ndarray:
    from_16_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PPM", "PNG"))
    with _quiet():
        image = ImageOps.exif_transpose(image)
    if from_16_bits:
        pixels = np.asarray(image)
        if 0 < pixels.max() < 256:  # 8-bit values in a 16-bit file would become black
            raise InputError(
                f"{name}: 16-bit pixels, but none above {pixels.max()} of 65535; save the photo with 8 bits"
            )
        image = Image.fromarray((pixels >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        kind = "32-bit integer" if image.mode == "I" else "floating-point"
        raise InputError(
            f"{name}: {kind} pixels have no known white; save the photo with 8 or 16 bits per channel"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _reason(path: str | os.PathLike[str], error: OSError) -> str:
    if os.path.isdir(path):  # unlike Path.is_dir it takes paths of any length
        return "this is a folder, not a photo"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if error.errno is not None:
        return f"cannot be read ({error.strerror})"
    return f"truncated or damaged image ({_one_line(error)})"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True)
class Preprocess:
    """From a photo (H, W, 3) uint8 to a network's input (3, size, size) float32.

    1. fit: "crop" keeps the centre square of the photo, "squash" keeps all of it and changes its shape;
    2. the result is resized to resize_to x resize_to (interpolation, which averages when it shrinks);
    3. its centre of size x size pixels is kept;
    4. the channels are put in the order of `channels`, and each becomes (x * scale - mean) / std, with mean
       and std in that same order.
    Checkpoints store it, so that a network always sees photos as it did in training.
    Raises InputError for a value out of range.
    """

    name: str
    size: int
    resize_to: int
    fit: Fit = "crop"
    interpolation: Interpolation = "bilinear"
    channels: Channels = "RGB"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for field in ("mean", "std"):
            object.__setattr__(self, field, _three_numbers(field, getattr(self, field)))
        object.__setattr__(self, "scale", _number("scale", self.scale))
        _require(isinstance(self.name, str) and self.name != "", "name", self.name, "a text")
        for field in ("size", "resize_to"):
            value = getattr(self, field)
            _require(type(value) is int and value >= 1, field, value, "an integer from 1")
        _require(self.resize_to >= self.size, "resize_to", self.resize_to, f"at least size ({self.size})")
        for field, choices in (("fit", Fit), ("channels", Channels), ("interpolation", Interpolation)):
            names = get_args(choices)
            _require(getattr(self, field) in names, field, getattr(self, field), "one of " + ", ".join(names))
        _require(self.scale > 0, "scale", self.scale, "above 0")
        _require(min(self.std) > 0, "std", self.std, "above 0")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """image: (H, W, 3) uint8 RGB in 0..255, as `load_image` gives.  Returns (3, size, size) float32.

        Raises ShapeError, DtypeError (floats, for instance), or InputError for an image in 0..1.
        """
        _check_image(image)
        return self.of_photo(image)

    def read(self, path: str | os.PathLike[str]) -> np.ndarray:
        """The input (3, size, size) float32 for the photo in a file.

        A large JPEG is decoded at a fraction of its size, but with at least twice the pixels needed.
        Raises InputError as `load_image`.
        """
        return self.of_photo(self.load(path))

    def load(self, path: str | os.PathLike[str]) -> np.ndarray:
        """The photo in a file, (H, W, 3) uint8, as large as `of_photo` needs.  Raises as `load_image`."""
        return load_image(path, enough=2 * self.resize_to)

    def of_photo(self, image: np.ndarray) -> np.ndarray:
        """The same for an image known to be a photo, where values of 0 and 1 are nearly black, no mistake."""
        if self.fit == "crop":
            image = _centre(image, min(image.shape[:2]), min(image.shape[:2]))
        resized = self._resized(image, self.resize_to, self.resize_to)
        return self._scaled(_centre(resized, self.size, self.size))

    def of_part(self, image: np.ndarray, top: float, left: float, mirrored: bool = False) -> np.ndarray:
        """The same for another part of a photo than its centre, for training on more than one.

        The shorter side is brought to resize_to (with "squash" both are), then size x size pixels are kept.
        top, left: where, from 0 for the first rows or columns to 1 for the last.
        """
        height, width = (1, 1) if self.fit == "squash" else image.shape[:2]
        scale = self.resize_to / min(height, width)
        resized = self._resized(image, round(scale * height), round(scale * width))
        rooms = (side - self.size for side in resized.shape[:2])
        y, x = (min(int(at * (room + 1)), room) for at, room in zip((top, left), rooms, strict=True))
        part = resized[y : y + self.size, x : x + self.size]
        return self._scaled(part[:, ::-1] if mirrored else part)

    def _resized(self, image: np.ndarray, height: int, width: int) -> np.ndarray:
        resample = Image.Resampling[self.interpolation.upper()]
        return np.asarray(Image.fromarray(image).resize((width, height), resample), dtype=np.float32)

    def _scaled(self, pixels: np.ndarray) -> np.ndarray:
        """(H, W, 3) in 0..255 to (3, H, W), channels ordered and normalised."""
        if self.channels == "BGR":
            pixels = pixels[:, :, ::-1]
        mean, std = np.array(self.mean, dtype=np.float32), np.array(self.std, dtype=np.float32)
        scaled = (pixels * np.float32(self.scale) - mean) / std
        return np.ascontiguousarray(scaled.transpose(2, 0, 1))

    def seen(self, image: np.ndarray) -> np.ndarray:
        """The part of a photo (H, W, 3) that the network sees, in its own shape and colours."""
        height, width = image.shape[:2] if self.fit == "squash" else (min(image.shape[:2]),) * 2
        share = self.size / self.resize_to
        return _centre(image, max(round(share * height), 1), max(round(share * width), 1))

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Preprocess":
        """The inverse of to_json.  Raises InputError for other text, naming the key that does not belong."""
        try:
            values: Any = parse_json(text, "Preprocess.from_json")
        except FormatError as error:
            raise InputError(str(error)) from None
        if not isinstance(values, dict):
            raise InputError("Preprocess.from_json: a JSON object with the keys of Preprocess is needed")
        known = [field.name for field in fields(cls)]
        for key in sorted(values.keys() - set(known)):
            hint = nearest(key, known) or f"; known keys: {', '.join(known)}"
            raise InputError(f"Preprocess.from_json: unknown key {key!r}{hint}")
        if missing := [key for key in known if key not in values]:
            raise InputError(f"Preprocess.from_json: key {missing[0]!r} is missing")
        return cls(**values)

    def fingerprint(self) -> str:
        """16 hexadecimal digits, the same for equal Preprocess on every machine."""
        return hashlib.sha256(self.to_json().encode("utf-8")).hexdigest()[:16]


def _centre(image: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _check_image(image: object) -> None:
    if not isinstance(image, np.ndarray):
        raise DtypeError(
            f"Preprocess: image is a {type(image).__name__}; a NumPy array is needed (load_image)"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ShapeError(
            f"Preprocess: image has the shape {image.shape}; (H, W, 3) is needed, as load_image gives"
        )
    if image.dtype != np.uint8:
        low, high = image.min(), image.max()
        hint = "; multiply by 255 and round" if low >= 0 and high <= 1 else ""
        raise DtypeError(
            f"Preprocess: image is {image.dtype} in {low:g}..{high:g}; uint8 in 0..255 is needed{hint}"
        )
    if image.max() == 1:
        raise InputError(
            "Preprocess: image is uint8 in 0..1, which looks black; uint8 in 0..255 is needed. "
            "If it was scaled to 0..1, multiply by 255 before the cast"
        )


def _require(valid: bool, field: str, value: object, wanted: str) -> None:
    if not valid:
        raise InputError(f"Preprocess: {field} is {value!r}; it must be {wanted}")


def _number(field: str, value: object) -> float:
    valid = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    _require(valid, field, value, "a finite number")
    return float(value)  # type: ignore[arg-type]


def _three_numbers(field: str, values: object) -> tuple[float, ...]:
    _require(
        isinstance(values, list | tuple) and len(values) == 3, field, values, "three numbers, one per channel"
    )
    return tuple(_number(field, value) for value in values)  # type: ignore[attr-defined]


# DeepScale's SqueezeNet 1.1 was trained by Caffe: BGR, 0..255, minus the mean of ImageNet.
# Nearly the whole photo is kept, since captions are about its borders too.
SQUEEZENET = Preprocess(
    name="squeezenet",
    size=227,
    resize_to=232,
    fit="squash",
    interpolation="bicubic",
    channels="BGR",
    mean=(103.939, 116.779, 123.68),
)
