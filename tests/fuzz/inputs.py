"""What is fuzzed: for each kind of input, how a wrong one is written and what reads it."""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
from fuzz.mutations import HOSTILE, of_bytes, of_text
from fuzz.published import PUBLISHED
from PIL import Image
from training.tiny import make_dataset

from minicap.captioning import Captioner, Vocabulary
from minicap.captioning.models import ShowAndTellConfig
from minicap.captioning.run import CaptionRunConfig
from minicap.cli import main
from minicap.data import SQUEEZENET, extract_features, open_dataset
from minicap.formats import load_safetensors
from minicap.models.encoders import SqueezeNetEncoderConfig, make_encoder
from minicap.training import RunFolder

Generator = np.random.Generator
Try = Callable[[Generator], object]


def photos(folder: Path) -> Try:
    """Photos in every format that is read, damaged."""
    x, y = np.meshgrid(np.arange(40), np.arange(30))
    colour = Image.fromarray(np.stack([x * 6, y * 8, (x + y) * 3], axis=-1).astype(np.uint8))
    deep = Image.fromarray((x * 1600).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    saved = [
        (colour, "JPEG", {"exif": exif}),
        (colour.convert("CMYK"), "JPEG", {}),
        (colour.convert("L"), "JPEG", {"progressive": True}),
        (colour, "PNG", {}),
        (colour.convert("P"), "PNG", {"transparency": 3}),
        (deep, "PNG", {}),
        (colour.convert("RGBA"), "WEBP", {}),
        (colour.convert("P"), "GIF", {"save_all": True, "append_images": [colour.convert("P")] * 2}),
        (colour, "BMP", {}),
        (colour.convert("1"), "BMP", {}),
        (colour, "TIFF", {}),
        (colour, "TIFF", {"compression": "tiff_lzw"}),
        (colour, "TIFF", {"compression": "tiff_deflate"}),
        (deep, "TIFF", {}),
        (Image.fromarray((x * 9).astype(np.int32)), "TIFF", {}),
        (Image.fromarray(x.astype(np.float32)), "TIFF", {}),
        (colour, "PPM", {}),
        (colour.convert("L"), "PPM", {}),
        (colour, "EPS", {}),
    ]
    originals = []
    for image, kind, options in saved:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        originals.append(buffer.getvalue())

    def attempt(rng: Generator) -> object:
        path = folder / "photo.jpg"
        path.write_bytes(of_bytes(rng, originals[rng.integers(len(originals))]))
        return SQUEEZENET.read(path)

    return attempt


def data_sets(folder: Path) -> Try:
    """Karpathy's JSON with tokens replaced."""
    data = make_dataset(folder / "data")
    text = (data / "dataset_tiny.json").read_text(encoding="utf-8")

    def attempt(rng: Generator) -> object:
        (data / "dataset_tiny.json").write_bytes(of_text(rng, text))
        return Vocabulary.build(caption for image in open_dataset(data).images for caption in image.captions)

    return attempt


def tables(folder: Path) -> Try:
    """CSV files and text files of captions."""
    data = make_dataset(folder / "data")
    text = "photo,caption,split\n" + "".join(f'{n}.jpg,"A dog, or {n}",train\n' for n in range(6))

    def attempt(rng: Generator) -> object:
        (data / "captions.csv").write_bytes(of_bytes(rng, of_text(rng, text)))
        return open_dataset(data / "captions.csv")

    return attempt


def settings(folder: Path) -> Try:
    """A config.toml with tokens replaced."""
    text = CaptionRunConfig().to_toml()

    def attempt(rng: Generator) -> object:
        (folder / "config.toml").write_bytes(of_text(rng, text))
        return CaptionRunConfig.read(folder / "config.toml")

    return attempt


def metrics(folder: Path) -> Try:
    """The records of a run, damaged."""
    run = RunFolder(folder / "run")
    for step in range(1, 4):
        run.record({"step": step, "epoch": 1, "loss": 1 / step, "train_loss": 0.5, "learning_rate": 1e-3})
    text = run.metrics_path.read_text(encoding="utf-8")

    def attempt(rng: Generator) -> object:
        run.metrics_path.write_bytes(of_text(rng, text))
        found = run.metrics()
        run.forget_after(2, 1)
        return found

    return attempt


def checkpoints(folder: Path) -> Try:
    """Checkpoints of a small captioner: their header, the texts in it, their arrays."""
    path = folder / "a.safetensors"
    words = Vocabulary.build([["a", "dog", "on", "grass"]])
    captioner = Captioner.create(
        make_encoder(SqueezeNetEncoderConfig()), words, ShowAndTellConfig(embed_size=3, hidden_size=4)
    )
    captioner.model.initialize(0)
    captioner.save(path)
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header, arrays = whole[8 : 8 + length].decode(), whole[8 + length :]
    about = load_safetensors(path)[1]["about"]

    def attempt(rng: Generator) -> object:
        kind, content = rng.integers(4), arrays
        if kind == 0:
            changed = of_text(rng, header)
        elif kind == 1:
            root = json.loads(header)
            root["__metadata__"]["about"] = of_text(rng, about).decode("utf-8", "replace")
            changed = json.dumps(root).encode()
        elif kind == 2:
            changed, content = header.encode(), of_bytes(rng, arrays)
        if kind == 3:
            path.write_bytes(of_bytes(rng, whole))
        else:
            path.write_bytes(len(changed).to_bytes(8, "little") + changed + content)
        return Captioner.load(path).captions(np.ones((1, 1024), np.float32), beam=1)

    return attempt


def caches(folder: Path) -> Try:
    """The three files of a feature cache, damaged."""
    images = sorted((make_dataset(folder / "data") / "images").glob("*.jpg"))[:3]
    cache = folder / "cache"

    def encode(batch: np.ndarray) -> np.ndarray:
        return batch.mean(axis=(2, 3))

    expected = np.array(extract_features(images, encode, SQUEEZENET, "mean", cache))
    [found] = cache.iterdir()
    files = {name: (found / name).read_bytes() for name in ("index.json", "features.npy", "done.bin")}

    def attempt(rng: Generator) -> object:
        for name, content in files.items():
            (found / name).write_bytes(content)
        name = str(rng.choice(list(files)))
        text = name == "index.json" and rng.random() < 0.7
        changed = of_text(rng, files[name].decode()) if text else of_bytes(rng, files[name])
        (found / name).write_bytes(changed)
        features = extract_features(images, encode, SQUEEZENET, "mean", cache)
        assert features.shape == expected.shape
        return features

    return attempt


def command_lines(folder: Path) -> Try:
    """Commands with arguments of all kinds in all places."""
    data = make_dataset(folder / "data")
    run = folder / "run"
    small = ["--epochs", "1", "--embed-size", "4", "--hidden-size", "4", "--min-count", "1"]
    assert quiet(["train", str(data), "--run", str(run), *small]) == 0
    values = [
        *(value for value in HOSTILE if "\0" not in value),
        *("sample", "nowhere", "", "a" * 5000, "-", "--", "/dev/null", "/dev/full", ".", "..", "~", "*"),
        *(str(data), str(data / "images" / "0.jpg"), str(run), str(run / "checkpoints" / "last.safetensors")),
        *(str(folder / "new.png"), str(folder / "new.safetensors"), str(folder / "missing" / "a.png")),
    ]
    flags = {
        "caption": ("--run", "--beam", "--temperature", "--seed", "--all", "--json"),
        "classify": ("--top", "--json", "--plot"),
        "eval": ("--data", "--split", "--beam", "--length-power", "--baselines", "--json", "--captions"),
        "export": ("--float32",),
        "train": (
            "--run",
            "--resume",
            "--config",
            "--shards",
            "--dropout",
            "--seed",
            "--cell",
            "--max-words",
        ),
        "data": ("--split", "--n", "--sheet"),
        "gradcheck": ("--list", "--json"),
    }

    def attempt(rng: Generator) -> object:
        shutil.rmtree(folder / "out", ignore_errors=True)
        command = str(rng.choice(list(flags)))
        argv = [command]
        if command == "data":
            argv.append("show")
        if command == "train":  # what it would train is small
            argv += [str(data), "--run", str(folder / "out"), *small][: rng.choice([0, 1, 11])]
        if command == "gradcheck":
            argv.append("--list")
        for _ in range(rng.integers(0, 5)):
            argv.append(str(rng.choice(flags[command]) if rng.random() < 0.5 else rng.choice(values)))
        code = quiet(argv)
        assert code in (0, 1, 2), argv
        return code

    return attempt


def quiet(argv: list[str]) -> int:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(argv)
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    assert "\x1b" not in out.getvalue() + err.getvalue(), argv
    return code


# How many of each are tried.
KINDS: dict[Callable[[Path], Try], int] = {
    photos: 8000,
    data_sets: 3000,
    tables: 2000,
    settings: 3000,
    metrics: 1500,
    checkpoints: 3000,
    caches: 1000,
    command_lines: 600,
    **PUBLISHED,
}
