"""The configs of published sets of captions, on a tiny set in the layout of each."""

import json
from pathlib import Path

import pytest
from PIL import Image

from minicap.cli import main
from minicap.formats import read_toml
from minicap.training import RunFolder

CONFIGS = Path(__file__).parents[2] / "configs"
COLOURS = ("red", "green", "blue")


def draw(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40 + number, 30), COLOURS[number % 3]).save(path)


def write_coco(folder: Path) -> None:
    (folder / "annotations").mkdir(parents=True)
    for part, numbers in (("train2017", range(6)), ("val2017", range(6, 9))):
        images = [{"id": n, "file_name": f"{n:012}.jpg"} for n in numbers]
        captions = [{"image_id": n, "caption": f"All is {COLOURS[n % 3]}."} for n in numbers for _ in "123"]
        content = json.dumps({"images": images, "annotations": captions})
        (folder / "annotations" / f"captions_{part}.json").write_text(content, encoding="utf-8")
        for n in numbers:
            draw(folder / part / f"{n:012}.jpg", n)


def write_flickr8k(folder: Path) -> None:
    write_tokens(folder / "Flickr8k.token.txt", folder / "Flicker8k_Dataset")
    for name, numbers in (("train", range(8)), ("dev", (8, 9)), ("test", (10, 11))):
        photos = "\n".join(f"{n}.jpg" for n in numbers)
        (folder / f"Flickr_8k.{name}Images.txt").write_text(photos, encoding="utf-8")


def write_flickr30k(folder: Path) -> None:
    write_tokens(folder / "results_20130124.token", folder / "flickr30k-images")


def write_tokens(file: Path, photos: Path) -> None:
    for n in range(12):
        draw(photos / f"{n}.jpg", n)
    lines = [f"{n}.jpg#{i}\tAll is {COLOURS[n % 3]} .\n" for n in range(12) for i in range(5)]
    file.write_text("".join(lines), encoding="utf-8")


WRITERS = {"coco": write_coco, "flickr8k": write_flickr8k, "flickr30k": write_flickr30k}


@pytest.mark.parametrize("name", WRITERS)
def test_the_config_of_a_published_set_trains_on_its_layout(name, tmp_path):
    WRITERS[name](tmp_path / "data")
    config, run = CONFIGS / f"{name}.toml", tmp_path / "run"
    assert (
        main(["train", str(tmp_path / "data"), "--config", str(config), "--run", str(run), "--epochs", "1"])
        == 0
    )
    [record] = [record for record in RunFolder(run).metrics() if "train_loss" in record]
    assert "cider" in record
    assert read_toml(run / "config.toml")["model"]["hidden_size"] == 512
    assert f"minicap train {name.upper()} --config configs/{name}.toml" in config.read_text(encoding="utf-8")
