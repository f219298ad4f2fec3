"""The captioner in the package, as a new user meets it."""

import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from cli.photos import make_good, picture

from minicap.captioning import Captioner
from minicap.captioning.baselines import most_frequent
from minicap.cli import main
from minicap.data import load_sample
from minicap.formats import read_toml
from minicap.metrics.captions import score
from minicap.vocabulary import SPECIAL


def test_all_weights_in_the_package_are_small():
    rooms = (resources.files(f"minicap.{room}") / "weights" for room in ("captioning", "models"))
    assert sum(len(file.read_bytes()) for room in rooms for file in room.iterdir()) <= 20_000_000


def test_its_config_says_how_it_was_made():
    shipped = Captioner.shipped()
    config = read_toml(Path(__file__).parents[2] / "configs" / "shipped.toml")
    assert asdict(shipped.encoder.config) == config["encoder"]
    assert asdict(shipped.model.config).items() >= config["model"].items()
    assert min(shipped.vocabulary.counts[len(SPECIAL) :]) >= config["data"]["min_count"]


def test_caption_works_straight_after_installation(tmp_path, capsys):
    picture((320, 240)).save(tmp_path / "photo.jpg")
    assert main(["caption", str(tmp_path / "photo.jpg")]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert 3 <= len(out.split()) <= 20
    assert set(out.split()) <= set(Captioner.shipped().vocabulary.words)


def test_photos_of_every_kind_are_described(tmp_path, capsys):
    photos = make_good(tmp_path)
    assert main(["caption", "--json", "--beam", "1", *map(str, photos.values())]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["photo"] for answer in answers] == [str(path) for path in photos.values()]
    assert all(answer["captions"][0]["caption"] for answer in answers)


def test_it_sees_more_in_the_sample_than_the_commonest_caption_says(capsys):
    assert main(["eval", "--data", "sample", "--beam", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["beam 3"]
    sample = load_sample()
    training = [[list(tokens) for tokens in image.captions] for image in sample.split("train")]
    held_out = [list(image.raw) for image in sample.split("test")]
    commonest = score(most_frequent(training, len(held_out)), held_out)
    assert found["cider"] > 2 * commonest["cider"]
