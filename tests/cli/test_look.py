import shutil
from pathlib import Path

import pytest
from classification.sets import write_photo_folders

from minicap.classification import Classifier
from minicap.cli import main

pytest.importorskip("matplotlib", reason="plots need matplotlib")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run on three colours, and its data set."""
    folder = tmp_path_factory.mktemp("look")
    photos = write_photo_folders(folder / "photos", ("train", "test"), count=4)
    flags = ["--model", "cnn3", "--size", "16", "--batch-size", "4", "--epochs", "1"]
    assert main(["train", "classifier", str(photos), "--run", str(folder / "run"), *flags]) == 0
    return folder


@pytest.fixture
def photo(made):
    return made / "photos" / "test" / "red" / "0.png"


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_and_a_photo_give_every_figure(made, photo, tmp_path, capsys):
    run = Path(shutil.copytree(made / "run", tmp_path / "run"))
    assert main(["look", str(run), str(photo)]) == 0
    folder = run / "figures" / "look-0"
    assert names_in(folder) == {"classes.png", "filters.png", "activations-relu1.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())
    assert {"confusion-test.png"} <= names_in(run / "figures")
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert {part.split()[0] for part in first.split(", ")} == {"red", "green", "blue"}
    assert second == "Grad-CAM at relu3"
    assert lines[0] == str(folder / "classes.png")


def test_a_class_a_layer_and_a_folder_may_be_named(made, photo, tmp_path, capsys):
    best = made / "run" / "checkpoints" / "best.safetensors"
    flags = ["--class", "blue", "--layer", "pool1", "--out", str(tmp_path / "out")]
    assert main(["look", *flags, str(best), str(photo)]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("blue ")
    assert second == "Grad-CAM at pool1"
    drawn = {"classes.png", "filters.png", "activations-relu1.png", "activations-pool1.png"}
    assert names_in(tmp_path / "out") == drawn


def test_a_classifier_alone_has_no_data_set_to_be_scored_on(made, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Classifier.load(made / "run").save(tmp_path / "alone.safetensors")
    assert main(["look", "alone.safetensors", str(photo)]) == 0
    assert "classes.png" in names_in(tmp_path / "look-0")
    assert "confusion" not in capsys.readouterr().out


def test_a_run_whose_data_set_is_gone_says_so(made, photo, tmp_path, capsys):
    run = Path(shutil.copytree(made / "run", tmp_path / "run"))
    text = (run / "config.toml").read_text(encoding="utf-8")
    gone = text.replace((made / "photos").as_posix(), (made / "gone").as_posix())
    (run / "config.toml").write_text(gone, encoding="utf-8")
    assert main(["look", str(run), str(photo), "--top", "1"]) == 0
    assert "(no confusion table: " in capsys.readouterr().out


def test_a_network_without_convolutions_shows_its_weights_and_has_no_grad_cam(made, tmp_path, photo, capsys):
    run = tmp_path / "run"
    flags = ["--model", "softmax", "--size", "8", "--epochs", "1", "--run", str(run)]
    assert main(["train", "classifier", str(made / "photos"), *flags]) == 0
    capsys.readouterr()
    assert main(["look", str(run), str(photo)]) == 0
    assert "(no Grad-CAM: " in capsys.readouterr().out
    assert names_in(run / "figures" / "look-0") == {"classes.png", "filters.png"}


def test_a_pretrained_network_needs_no_run(photo, tmp_path, capsys):
    assert main(["look", "--model", "squeezenet1_1", str(photo), "--top", "1", "--out", str(tmp_path)]) == 0
    assert names_in(tmp_path) == {"classes.png", "filters.png", "activations-features.relu1.png"}
    assert "Grad-CAM at classifier.relu" in capsys.readouterr().out


def test_a_classifier_on_features_shows_what_hiding_a_part_costs(made, photo, tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--model", "on-features", "--encoder", "squeezenet1_1", "--epochs", "1"]
    assert main(["train", "classifier", str(made / "photos" / "test"), "--run", str(run), *flags]) == 0
    capsys.readouterr()
    assert main(["look", str(run), str(photo), "--top", "1"]) == 0
    assert "no saliency and no Grad-CAM on features" in capsys.readouterr().out
    assert names_in(run / "figures" / "look-0") == {"classes.png"}
    assert main(["look", str(run), str(photo), "--layer", "conv1"]) == 2
    assert "has no layers to look into; leave out --layer" in capsys.readouterr().err


def test_mistakes_are_named(made, photo, tmp_path, refused):
    run = made / "run"
    assert "write minicap look RUN PHOTO" in refused("look", photo)
    assert "write minicap look RUN PHOTO" in refused("look", "--model", "squeezenet1_1", run, photo)
    assert "there is no class 'rad' (did you mean \"red\"?)" in refused("look", run, photo, "--class", "rad")
    assert "there is no layer 'relu9' (did you mean" in refused("look", run, photo, "--layer", "relu9")
    message = refused("look", run, photo, "--layer", "affine1")
    assert "affine1 gives (3, 3), no grid" in message
    assert "not an image that can be read" in refused("look", run, run / "config.toml")
    (tmp_path / "file").touch()
    message = refused("look", run, photo, "--out", tmp_path / "file" / "deeper")
    assert "cannot make the folder" in message
