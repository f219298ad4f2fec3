import json

import pytest
from cli.photos import make_bad, make_good, picture

from minicap.cli import main
from minicap.models import imagenet_classes


@pytest.fixture
def photo(tmp_path):
    picture((320, 240)).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def test_five_classes_come_with_their_probabilities_in_order(photo, capsys):
    assert main(["classify", str(photo)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == str(photo)
    assert len(lines) == 5
    shares = [float(line.split("%")[0]) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 100.3  # each is rounded
    assert all(line.split("%")[1].strip() in imagenet_classes() for line in lines)


def test_all_thousand_probabilities_add_up_to_one(photo, capsys):
    assert main(["classify", str(photo), "--top", "1000", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["photo"] == str(photo)
    probabilities = [entry["probability"] for entry in answer["classes"]]
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert probabilities == sorted(probabilities, reverse=True)
    assert sorted(entry["index"] for entry in answer["classes"]) == list(range(1000))
    assert all(imagenet_classes()[e["index"]] == e["class"] for e in answer["classes"])


def test_photos_of_every_kind_are_handled(tmp_path, capsys):
    photos = make_good(tmp_path)
    assert main(["classify", "--json", *map(str, photos.values())]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["photo"] for answer in answers] == [str(path) for path in photos.values()]
    assert all(len(answer["classes"]) == 5 for answer in answers)


def test_a_bad_photo_is_named_before_the_first_answer(photo, tmp_path, refused, capsys):
    for bad, message in make_bad(tmp_path).values():
        assert f"{bad}: {message}" in refused("classify", photo, bad)
        assert capsys.readouterr().out == ""


@pytest.mark.parametrize("top", [0, -1, 1001])
def test_top_must_be_a_number_of_classes(photo, refused, top):
    assert f"--top is {top} but must be 1..1000" in refused("classify", photo, "--top", top)


def test_a_plot_is_drawn_of_one_photo(photo, tmp_path, refused):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert main(["classify", str(photo), "--plot", str(tmp_path / "plot.png")]) == 0
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    message = refused("classify", photo, photo, "--plot", tmp_path / "two.png")
    assert "--plot takes one photo at a time" in message
