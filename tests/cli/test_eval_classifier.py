import json
import shutil
from pathlib import Path

import pytest
from classification.sets import write_photo_folders

from minicap.captioning import Captioner
from minicap.classification import Classifier
from minicap.cli import main
from minicap.formats import load_checkpoint


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run on three colours, and its data set."""
    folder = tmp_path_factory.mktemp("classifier")
    photos = write_photo_folders(folder / "photos", ("train", "val", "test"), count=6)
    flags = [
        "--model",
        "lenet",
        "--size",
        "16",
        "--batch-size",
        "4",
        "--epochs",
        "1",
        "--learning-rate",
        "1e-4",
    ]
    assert main(["train", "classifier", str(photos), "--run", str(folder / "run"), *flags]) == 0
    return folder


@pytest.fixture
def run(made, tmp_path):
    """A copy of the run."""
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def test_accuracy_and_a_line_for_each_class(run, capsys):
    assert main(["eval", str(run)]) == 0
    first, second, third, _, header, *rows = capsys.readouterr().out.splitlines()
    assert first == "folder test: 18 photos, 3 classes"
    assert second == "checkpoint: epoch 1, chosen by accuracy on validation photos"
    assert third.startswith("accuracy ")
    assert "top 5" not in third  # of three classes
    assert header.split() == ["class", "photos", "recall", "precision"]
    assert [row.split()[:2] for row in rows[:3]] == [["blue", "6"], ["green", "6"], ["red", "6"]]


def test_json_holds_the_same_numbers(run, capsys):
    assert main(["eval", str(run), "--split", "val", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["accuracy"] == load_checkpoint(run / "checkpoints" / "best.safetensors").progress["best"]
    assert sum(map(sum, answer["confusion"])) == 18
    assert [entry["name"] for entry in answer["classes"]] == ["blue", "green", "red"]


def test_confusion_and_mistakes_are_drawn(run, capsys):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert main(["eval", str(run), "--split", "train"]) == 0
    assert "confusion-train.png" in capsys.readouterr().out
    assert (run / "figures" / "confusion-train.png").read_bytes().startswith(b"\x89PNG")


def test_a_checkpoint_finds_the_settings_of_its_run(run, capsys):
    assert main(["eval", str(run / "checkpoints" / "last.safetensors")]) == 0
    assert "checkpoint: epoch 1\n" in capsys.readouterr().out


def test_a_data_set_may_lie_elsewhere(made, run, tmp_path, capsys):
    copy = shutil.copytree(made / "photos", tmp_path / "copy")
    assert main(["eval", str(run), "--data", str(copy)]) == 0
    shutil.rmtree(copy / "test" / "red")
    assert "folder test: 18 photos" in capsys.readouterr().out


def test_what_cannot_be_scored_is_told(made, run, tmp_path, refused):
    assert "no labelled split 'dev'; --split may be train, val, test" in refused(
        "eval", run, "--split", "dev"
    )
    assert "--beam is for captioners" in refused("eval", run, "--beam", "3")
    assert "--baselines is for captioners" in refused("eval", run, "--baselines")
    assert "there is no such folder" in refused("eval", run, "--data", tmp_path / "no")
    Classifier.load(run).save(made / "alone.safetensors")
    assert "lies in no run folder" in refused("eval", made / "alone.safetensors")


def test_a_classifier_of_ones_own_names_photos(made, run, capsys):
    photo = made / "photos" / "test" / "red" / "0.png"
    assert main(["classify", str(photo), "--run", str(run), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {entry["class"] for entry in answer["classes"]} == {"blue", "green", "red"}
    assert sum(entry["probability"] for entry in answer["classes"]) == pytest.approx(1, abs=1e-5)


def test_a_captioner_cannot_classify_and_a_classifier_cannot_caption(made, run, tmp_path, refused):
    photo = made / "photos" / "test" / "red" / "0.png"
    Captioner.shipped().save(tmp_path / "captioner.safetensors")
    message = refused("classify", photo, "--run", tmp_path / "captioner.safetensors")
    assert "captioner.safetensors holds 'captioner', not a classifier" in message
    assert "holds 'classifier', not a captioner" in refused("caption", photo, "--run", run)


def test_a_classifier_is_exported_like_a_captioner(made, run, tmp_path, capsys):
    assert main(["export", str(run), str(tmp_path / "mine.safetensors")]) == 0
    assert f"minicap classify PHOTO --run {tmp_path / 'mine.safetensors'}" in capsys.readouterr().out
    assert Classifier.load(tmp_path / "mine.safetensors").classes == ("blue", "green", "red")


def test_several_crops_can_be_scored_together(run, capsys):
    assert main(["eval", str(run), "--several-crops", "--json"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["accuracy"] <= 1


def test_several_crops_are_for_classifiers(capsys):
    assert main(["eval", "--several-crops"]) == 2
    assert "--several-crops is for classifiers" in capsys.readouterr().err
