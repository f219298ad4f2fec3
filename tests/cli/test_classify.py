import json
import tracemalloc

import pytest
from cli.photos import make_bad, make_good, picture

from minicap.cli import main
from minicap.formats import save_safetensors
from minicap.models import SqueezeNet, imagenet_classes
from minicap.models.pretrained import weights_file
from minicap.models.published import PRETRAINED
from minicap.nn import Sequential


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


def test_bad_photos_are_named_at_the_end_and_the_others_classified(photo, tmp_path, capsys):
    bad = make_bad(tmp_path / "bad")
    paths = [str(path) for path, _ in bad.values()]
    assert main(["classify", "--json", *paths, str(photo)]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["photo"] == str(photo)
    assert all(f"minicap: {path}: {message}" in err for path, message in bad.values())


def test_a_photo_that_is_bad_and_alone_is_refused(tmp_path, refused):
    for path, message in make_bad(tmp_path / "bad").values():
        assert refused("classify", path).startswith(f"minicap: {path}: {message}")


def test_a_folder_is_classified_in_order(tmp_path, capsys):
    for name in ("b.jpg", "a.png"):
        picture().save(tmp_path / name)
    assert main(["classify", "--json", str(tmp_path)]) == 0
    answers = [json.loads(line)["photo"] for line in capsys.readouterr().out.splitlines()]
    assert answers == [str(tmp_path / "a.png"), str(tmp_path / "b.jpg")]


def test_the_memory_does_not_grow_with_the_number_of_photos(tmp_path, capsys):
    options = ["--json", "--model", "squeezenet1_1"]

    def peak(count):
        tracemalloc.start()
        assert main(["classify", *options, *[str(tmp_path / "photo.bmp")] * count]) == 0
        peaked = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peaked

    picture((1600, 1200)).save(tmp_path / "photo.bmp")
    size = 1600 * 1200 * 3
    peak(1)  # what is kept for good is made by the first
    assert peak(12) - peak(2) < 2 * size


@pytest.mark.parametrize("top", [0, -1, 1001, 10**9])
def test_top_must_be_a_number_of_classes(photo, misused, top):
    assert f"argument --top: {top} is not in 1..1000" in misused("classify", photo, "--top", top)


def test_a_plot_of_an_unknown_kind_is_refused_before_any_work(photo, tmp_path, refused, monkeypatch):
    monkeypatch.setattr(Sequential, "__call__", lambda *args: pytest.fail("it was classified"))
    assert "must end in .png, .pdf, .svg" in refused("classify", photo, "--plot", tmp_path / "a.jpg")


def test_a_plot_is_drawn_of_one_photo(photo, tmp_path, refused):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert main(["classify", str(photo), "--plot", str(tmp_path / "plot.png")]) == 0
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    message = refused("classify", photo, photo, "--plot", tmp_path / "two.png")
    assert "--plot takes one photo at a time" in message


def test_another_network_classifies_once_its_weights_are_here(photo, refused, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path))
    message = refused("classify", photo, "--model", "squeezenet1_0")
    assert message.endswith("get them with: minicap weights import FILE --model squeezenet1_0")
    net, known = SqueezeNet(version="1.0").initialize(), PRETRAINED["squeezenet1_0"]
    net.classifier.conv10.own["b"][7] = 1e3
    about = {"model": "squeezenet1_0", "preprocess": known.preprocess.to_json()}
    file = weights_file("squeezenet1_0")
    file.parent.mkdir()
    save_safetensors(file, net.params | net.state, about)
    assert main(["classify", str(photo), "--model", "squeezenet1_0", "--top", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["100.0%", *imagenet_classes()[7].split()]


def test_a_network_without_classes_is_no_choice(photo, misused):
    assert "invalid choice: 'vgg16_features'" in misused("classify", photo, "--model", "vgg16_features")


def test_a_run_and_a_model_are_one_too_many(photo, refused, tmp_path):
    message = refused("classify", photo, "--run", tmp_path, "--model", "resnet50")
    assert message == "minicap: give --run or --model, not both"
