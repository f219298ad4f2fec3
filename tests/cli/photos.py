"""Photos of every kind that users have, and files that are none."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def picture(size: tuple[int, int] = (64, 48)) -> Image.Image:
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return Image.fromarray(np.stack([x * 4 % 256, y * 5 % 256, (x + y) * 2 % 256], axis=-1).astype(np.uint8))


def make_good(folder: Path) -> dict[str, Path]:
    """Unusual photos that must be handled."""
    photo = picture()
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    made = {
        "tiny.png": lambda path: Image.new("RGB", (1, 1), "red").save(path),
        "grey.jpg": lambda path: photo.convert("L").save(path),
        "palette.gif": lambda path: photo.convert("P").save(path),
        "cmyk.jpg": lambda path: photo.convert("CMYK").save(path),
        "rgba.png": lambda path: photo.convert("RGBA").save(path),
        "rotated.jpg": lambda path: photo.save(path, exif=exif),
        "größe mit leerzeichen.webp": lambda path: photo.save(path),
    }
    for name, save in made.items():
        save(folder / name)
    return {name: folder / name for name in made}


def make_bad(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no photo, and what must be said about each."""
    folder.mkdir(exist_ok=True)
    jpeg = io.BytesIO()
    picture((400, 300)).save(jpeg, "JPEG")
    contents = {
        "text.jpg": (b"this is no photo at all", "not an image that can be read"),
        "empty.jpg": (b"", "the file is empty"),
        "cut.jpg": (jpeg.getvalue()[: len(jpeg.getvalue()) // 2], "truncated or damaged image"),
        "bomb.png": (_bomb(), "too large to open safely"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.jpg").mkdir()
    found = {name: (folder / name, message) for name, (_, message) in contents.items()}
    found["folder.jpg"] = folder / "folder.jpg", "there are no photos in this folder"
    found["missing.jpg"] = folder / "missing.jpg", "there is no such file"
    return found


def _bomb() -> bytes:
    """A PNG of a few bytes that claims 40000 x 40000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
