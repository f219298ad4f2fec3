"""A tiny data set of captioned photos in Karpathy's layout, drawn with Pillow."""

import json
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 200)}
SHAPES = ("circle", "square")
SPLITS = ("train", "train", "train", "train", "val", "test")


def make_dataset(folder: Path, splits: tuple[str, ...] = SPLITS) -> Path:
    """Photos of coloured shapes, two captions each; returns the folder."""
    (folder / "images").mkdir(parents=True)
    images = []
    for number, split in enumerate(splits):
        colour, shape = list(COLOURS)[number % 3], SHAPES[number % 2]
        photo = Image.new("RGB", (96, 72), "white")
        draw = ImageDraw.Draw(photo)
        outline = (20 + number, 12, 68 + number, 60)
        (draw.ellipse if shape == "circle" else draw.rectangle)(outline, fill=COLOURS[colour])
        photo.save(folder / "images" / f"{number}.jpg")
        texts = (f"a {colour} {shape} on white", f"one {shape} in {colour}")
        sentences = [{"raw": f"{text.capitalize()}.", "tokens": text.split()} for text in texts]
        images.append({"filename": f"{number}.jpg", "imgid": number, "split": split, "sentences": sentences})
    path = folder / "dataset_tiny.json"
    path.write_text(json.dumps({"dataset": "tiny", "images": images}), encoding="utf-8")
    return folder
