import json
import shutil
import time

import pytest
from classification.sets import write_digits, write_photo_folders
from processes import start_python
from training.toy import assert_same_run

from minicap.classification import Classifier
from minicap.cli import main
from minicap.formats import read_toml
from minicap.training import RunFolder


@pytest.fixture
def photos(tmp_path):
    return write_photo_folders(tmp_path / "photos")


def train(photos, run, *flags):
    usual = ["--model", "lenet", "--size", "16", "--batch-size", "5", "--validation", "0.25", "--epochs", "2"]
    return main(["train", "classifier", str(photos), "--run", str(run), *usual, *map(str, flags)])


def test_a_run_leaves_settings_metrics_checkpoints_and_figures(photos, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(photos, run) == 0
    config = read_toml(run / "config.toml")
    assert config["application"] == "classifier"
    assert config["data"]["path"] == str(photos.resolve())
    assert (config["data"]["name"], config["model"]["name"]) == ("folder", "lenet")
    epochs = [record for record in RunFolder(run).metrics() if "train_loss" in record]
    assert [record["epoch"] for record in epochs] == [1, 2]
    assert all(0 <= record["accuracy"] <= 1 for record in epochs)
    assert Classifier.load(run).classes == ("blue", "green", "red")
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert first == "folder: 3 classes, photos of 3 x 16 x 16 (train 18, val 6)"
    assert second.startswith("lenet has ")
    assert f"accuracy {epochs[0]['accuracy']:.3f}" in lines[0]
    assert lines[-2:] == [
        f"Score it: minicap eval {run}",
        f"Classify a photo of your own: minicap classify PHOTO --run {run}",
    ]


def test_the_curves_are_drawn(photos, tmp_path):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert train(photos, tmp_path / "run") == 0
    assert (tmp_path / "run" / "figures" / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_few_photos_are_learnt_on_the_features_that_ship(photos, tmp_path, capsys):
    run, flags = tmp_path / "run", ["--model", "on-features", "--epochs", "2", "--batch-size", "4"]
    assert main(["train", "classifier", str(photos), "--run", str(run), *flags]) == 0
    assert read_toml(run / "config.toml")["data"]["size"] == Classifier.load(run).preprocess.size > 200
    assert main(["classify", str(photos / "red" / "0.png"), "--run", str(run), "--top", "1"]) == 0
    assert capsys.readouterr().out.split()[-1] == "red"
    assert main(["eval", str(run), "--split", "train", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1


def test_a_data_set_is_chosen_by_name_and_flags_may_come_before_its_folder(tmp_path):
    run = tmp_path / "run"
    flags = ["--model", "softmax", "--data", "mnist", str(write_digits(tmp_path / "digits"))]
    assert main(["train", "classifier", *flags, "--epochs", "1", "--run", str(run)]) == 0
    assert read_toml(run / "config.toml")["data"]["name"] == "mnist"
    assert Classifier.load(run).classes == tuple("0123456789")


def test_settings_come_from_a_file_which_says_the_application_too(photos, tmp_path):
    data = f'[data]\npath = "{photos.as_posix()}"\nsize = 16\n'
    text = f'application = "classifier"\n{data}[model]\nname = "mlp"\n[training]\nepochs = 9\n'
    (tmp_path / "my.toml").write_text(text, encoding="utf-8")
    run = tmp_path / "run"
    flags = ["--epochs", "1", "--augment", "flip=0.5, shift=2"]
    assert main(["train", "--config", str(tmp_path / "my.toml"), "--run", str(run), *flags]) == 0
    config = read_toml(run / "config.toml")
    assert (config["model"]["name"], config["training"]["epochs"]) == ("mlp", 1)
    assert config["data"]["augment"] == {"flip": 0.5, "shift": 2.0}
    assert config["training"]["monitor"] == "accuracy"


def test_a_resumed_run_ends_with_the_bits_of_one_left_in_peace(photos, tmp_path):
    flags = ["--augment", "flip=0.5, shift=2, cutout=4", "--model", "cnn2"]
    assert train(photos, tmp_path / "whole", *flags, "--epochs", 3) == 0
    assert train(photos, tmp_path / "resumed", *flags, "--epochs", 1) == 0
    assert main(["train", "--resume", str(tmp_path / "resumed"), "--epochs", "3"]) == 0
    assert_same_run(RunFolder(tmp_path / "resumed"), RunFolder(tmp_path / "whole"))


def test_resume_refuses_other_settings_and_other_photos(photos, tmp_path, refused):
    run = tmp_path / "run"
    assert train(photos, run) == 0
    resume = ("train", "--resume", run, "--epochs", "3")
    assert "--model cannot change when a run is resumed" in refused(*resume, "--model", "mlp")
    assert "--size cannot change when a run is resumed" in refused(*resume, "--size", "8")
    assert "leave out DATA, --data" in refused("train", "classifier", "--data", "mnist", "--resume", run)
    message = refused("train", "captioner", "--resume", run)
    assert "holds the settings of a classifier, not of a captioner" in message
    (photos / "red" / "3.png").unlink()
    assert "the photos for training changed" in refused(*resume)


def test_a_data_set_may_move(photos, tmp_path):
    run = tmp_path / "run"
    assert train(photos, run) == 0
    moved = shutil.move(photos, tmp_path / "elsewhere")
    text = (run / "config.toml").read_text(encoding="utf-8")
    (run / "config.toml").write_text(text.replace(photos.as_posix(), moved.as_posix()), encoding="utf-8")
    assert main(["train", "--resume", str(run), "--epochs", "3"]) == 0


def test_mistakes_are_named_and_leave_no_folder(photos, tmp_path, refused):
    run = tmp_path / "run"
    start = ("train", "classifier", "--run", run)
    assert "unknown model 'lenot' (did you mean \"lenet\"?)" in refused(*start, photos, "--model", "lenot")
    assert "unknown data set 'cifar' (did you mean" in refused(*start, photos, "--data", "cifar")
    assert "say in which folder the data set cifar10 lies" in refused(*start, "--data", "cifar10")
    message = refused(*start, "--data", "cifar10", tmp_path / "no")
    assert f"{tmp_path / 'no'}: there is no such folder; cifar10 is expected there as data_batch_1" in message
    assert "has no CIFAR-10" in refused(*start, "--data", "cifar10", photos)
    assert "unknown augmentation 'flap'" in refused(*start, photos, "--augment", "flap=1")
    assert "name a folder for the run: --run DIR" in refused("train", "classifier", photos)
    assert not run.exists()


def test_a_flag_has_one_spelling(photos, tmp_path, misused):
    message = misused("train", "classifier", photos, "--run", tmp_path / "run", "--mod", "lenet")
    assert "unrecognized arguments: --mod" in message


def test_a_relative_folder_in_a_settings_file_is_found_again_from_elsewhere(photos, tmp_path, monkeypatch):
    (tmp_path / "my.toml").write_text(f'[data]\npath = "{photos.name}"\nsize = 16\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    flags = ["--model", "softmax", "--epochs", "1", "--run", "run"]
    assert main(["train", "classifier", "--config", "my.toml", *flags]) == 0
    assert read_toml("run/config.toml")["data"]["path"] == str(photos.resolve())


def test_sizes_that_make_no_network_and_no_split_are_told(photos, tmp_path, refused):
    start = ("train", "classifier", photos, "--run", tmp_path / "run")
    for width in ("0", "-1", "nan", "inf"):
        message = refused(*start, "--model", "efficientnet_lite0", f"--width={width}")
        assert f"width is {float(width)} but must be above 0 and finite" in message
    assert "width is 0 but must be at least 1" in refused(*start, "--model", "resnet", "--width", "0")
    assert "hidden is -3 but must be at least 1" in refused(*start, "--model", "vgg", "--hidden=-3")
    assert "hidden is 0 but must be at least 1" in refused(*start, "--model", "alexnet", "--hidden=0")
    assert "split_seed is -1 but must not be negative" in refused(*start, "--split-seed=-1")
    message = refused(*start, "--validation", "0.001")
    assert "24 photos cannot be divided" in message
    assert "--validation 0 trains on all of them" in message


def test_photos_that_the_network_cannot_read_are_told(tmp_path, refused):
    digits = write_digits(tmp_path / "digits")
    message = refused(
        "train", "classifier", digits, "--data", "mnist", "--model", "vgg", "--run", tmp_path / "run"
    )
    assert "vgg reads photos in colour, square" in message


def test_the_help_shows_the_settings_of_the_application_and_the_model(capsys):
    shown = {}
    for words in ("captioner", "classifier", "classifier --model resnet", ""):
        with pytest.raises(SystemExit, match="0"):
            main(["train", *words.split(), "--help"])
        shown[words] = " ".join(capsys.readouterr().out.split())
    assert "--min-count" in shown["captioner"]
    assert "--min-count" in shown[""]
    assert "minicap train classifier --help" in shown[""]
    assert "--augment" in shown["classifier"]
    assert "--depth" not in shown["classifier"]
    assert "[model] settings of resnet" in shown["classifier --model resnet"]
    assert "--depth" in shown["classifier --model resnet"]


@pytest.mark.slow
def test_a_classifier_killed_at_work_ends_with_the_same_bits(photos, tmp_path):
    """kill -9 of `minicap train classifier`, then --resume, against one run in peace."""
    whole, run = tmp_path / "whole", tmp_path / "killed"
    settings = ["--epochs", 200, "--augment", "shift=2"]
    assert train(photos, whole, *settings) == 0
    command = [
        "train",
        "classifier",
        photos,
        "--run",
        run,
        "--model",
        "lenet",
        "--size",
        16,
        "--batch-size",
        5,
    ]
    command += ["--validation", 0.25, *settings]
    with start_python("-m", "minicap", *command) as process:
        while not (run / "checkpoints" / "best.safetensors").exists() and process.poll() is None:
            time.sleep(0.001)
        process.kill()
    assert process.returncode != 0
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_run(RunFolder(run), RunFolder(whole))
