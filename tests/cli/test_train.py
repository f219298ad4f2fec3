import json
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from cli.conftest import SMALL
from processes import start_python
from training.tiny import make_dataset
from training.toy import arrays_of, assert_same_run

from minicap.captioning import Captioner, SqueezeNetEncoder
from minicap.captioning.samples import read_samples
from minicap.cli import main
from minicap.errors import FormatError, InputError
from minicap.formats import load_checkpoint, read_toml, save_safetensors
from minicap.training import RunFolder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained run."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_a_run_leaves_settings_metrics_events_checkpoints_and_figures(trained, tiny_data):
    config = read_toml(trained / "config.toml")
    data = {"path": str(tiny_data.resolve()), "outside": False, "start": "", "min_count": 1, "max_words": 20}
    assert config["data"] == data | {"word_vectors": "", "subset": 0, "subset_seed": 0}
    assert config["training"]["epochs"] == 2
    epochs = [record for record in RunFolder(trained).metrics() if "train_loss" in record]
    assert [record["epoch"] for record in epochs] == [1, 2]
    assert all(record["validation_loss"] > 0 for record in epochs)
    assert len(list(trained.glob("events.out.tfevents.*"))) == 1
    assert {p.name for p in (trained / "checkpoints").iterdir()} == {"best.safetensors", "last.safetensors"}
    assert list(read_samples(trained).captions) == [1, 2]


def test_the_loss_is_drawn(trained):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert (trained / "figures" / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_an_epoch_is_a_line_and_scores_follow(tiny_data, tmp_path, capsys):
    assert main(["train", str(tiny_data), "--run", str(tmp_path / "run"), *SMALL]) == 0
    out = capsys.readouterr().out.splitlines()
    epochs = [line.split()[1] for line in out if line.startswith("epoch ")]
    assert epochs == ["1/2", "2/2"]
    assert any(line.startswith("validation, greedy") for line in out)
    assert out[-1] == f"Caption a photo of your own: minicap caption PHOTO --run {tmp_path / 'run'}"


def test_settings_come_from_a_file_and_flags_go_first(tiny_data, tmp_path):
    (tmp_path / "my.toml").write_text(
        "[data]\nmin_count = 1\n[model]\nembed_size = 8\nhidden_size = 6\n[training]\nepochs = 9\n",
        encoding="utf-8",
    )
    argv = ["train", str(tiny_data), "--run", str(tmp_path / "run"), "--config", str(tmp_path / "my.toml")]
    assert main([*argv, "--epochs", "1", "--cell", "gru"]) == 0
    config = read_toml(tmp_path / "run" / "config.toml")
    assert (config["training"]["epochs"], config["model"]["hidden_size"]) == (1, 6)
    assert config["model"]["cell"] == "gru"


def test_a_model_is_chosen_by_name_and_brings_its_own_settings(tiny_data, tmp_path, capsys):
    run = tmp_path / "run"
    flags = [*SMALL, "--epochs", "1", "--model", "attend-and-tell", "--attention-size", "5"]
    assert main(["train", str(tiny_data), "--run", str(run), *flags]) == 0
    model = read_toml(run / "config.toml")["model"]
    assert (model["name"], model["attention_size"], model["hidden_size"]) == ("attend-and-tell", 5, 12)
    assert main(["train", "--resume", str(run), "--epochs", "2"]) == 0
    assert main(["eval", str(run), "--baselines"]) == 0
    assert main(["caption", str(tiny_data / "images" / "5.jpg"), "--run", str(run)]) == 0
    assert Captioner.load(run).model.reads == "grid"


def test_the_help_shows_the_settings_of_the_model_it_is_given(capsys):
    shown = {}
    for name in ("show-and-tell", "attend-and-tell"):
        with pytest.raises(SystemExit, match="0"):
            main(["train", "--model", name, "--help"])
        shown[name] = capsys.readouterr().out
    assert "--cell" in shown["show-and-tell"]
    assert "--cell" not in shown["attend-and-tell"]
    assert "--attention-size" in shown["attend-and-tell"]


def test_a_file_names_the_model_and_a_flag_takes_its_place(tiny_data, tmp_path):
    text = '[data]\nmin_count = 1\n[model]\nname = "attend-and-tell"\nembed_size = 7\nhidden_size = 6\n'
    (tmp_path / "my.toml").write_text(text + "attention_size = 4\n", encoding="utf-8")
    train = ["train", str(tiny_data), "--config", str(tmp_path / "my.toml"), "--epochs", "1"]
    assert main([*train, "--run", str(tmp_path / "one"), "--attention-size", "3"]) == 0
    model = read_toml(tmp_path / "one" / "config.toml")["model"]
    assert (model["name"], model["embed_size"], model["attention_size"]) == ("attend-and-tell", 7, 3)
    flags = ["--model", "show-and-tell", "--embed-size", "5", "--hidden-size", "5"]
    assert main([*train, "--run", str(tmp_path / "two"), *flags]) == 0
    model = read_toml(tmp_path / "two" / "config.toml")["model"]
    assert model == {
        "name": "show-and-tell",
        "cell": "lstm",
        "embed_size": 5,
        "hidden_size": 5,
        "dropout": 0.5,
    }


def test_a_model_that_is_not_there_is_named(tiny_data, tmp_path, refused):
    train = ("train", tiny_data, "--run", tmp_path / "run")
    assert "unknown model 'show-and-sing' (did you mean" in refused(*train, "--model", "show-and-sing")
    assert "unknown encoder 'vgg'" in refused(*train, "--encoder", "vgg")
    assert not (tmp_path / "run").exists()


def test_the_settings_of_a_run_make_the_same_run_again(trained, tmp_path):
    assert main(["train", "--config", str(trained / "config.toml"), "--run", str(tmp_path / "again")]) == 0
    assert_same_run(RunFolder(tmp_path / "again"), RunFolder(trained))


def test_resume_adds_epochs_as_if_they_had_been_there_from_the_start(run, tiny_data, tmp_path):
    assert main(["train", "--resume", str(run), "--epochs", "4"]) == 0
    assert main(["train", str(tiny_data), "--run", str(tmp_path / "long"), *SMALL, "--epochs", "4"]) == 0
    assert_same_run(RunFolder(run), RunFolder(tmp_path / "long"))
    # Another interruption would go on to the new number of epochs.
    assert read_toml(run / "config.toml")["training"]["epochs"] == 4


def test_resume_starts_a_run_that_died_before_its_first_checkpoint(run, trained):
    shutil.rmtree(run / "checkpoints")
    (run / "metrics.jsonl").unlink()
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_run(RunFolder(run), RunFolder(trained))


def test_resuming_a_finished_run_says_so(run, capsys):
    assert main(["train", "--resume", str(run)]) == 0
    assert f"{run} is finished; --epochs 4 would continue it" in capsys.readouterr().out


def test_resume_refuses_other_settings_than_the_runs_own(run, refused):
    message = refused("train", "--resume", run, "--hidden-size", "99")
    assert "--hidden-size cannot change when a run is resumed" in message
    message = refused("train", "--resume", run, "--model", "attend-and-tell")
    assert "--model cannot change when a run is resumed" in message
    assert "--resume takes data and settings from the run" in refused("train", "sample", "--resume", run)


def test_a_run_may_go_on_at_another_learning_rate(run):
    epochs = read_toml(run / "config.toml")["training"]["epochs"]
    assert main(["train", "--resume", str(run), "--learning-rate", "0.25", "--epochs", str(epochs + 1)]) == 0
    rates = [r["learning_rate"] for r in RunFolder(run).metrics() if "train_loss" in r]
    assert rates[-1] == 0.25
    assert set(rates[:-1]) == {1e-3}


def test_resume_needs_a_run(tmp_path, refused):
    assert "is not a run folder: it has no config.toml" in refused("train", "--resume", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_cannot_be_resumed_and_stays_as_it_is(run, refused):
    last = run / "checkpoints" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:2000])
    before, metrics = last.read_bytes(), (run / "metrics.jsonl").read_bytes()
    assert "last.safetensors: truncated" in refused("train", "--resume", run)
    assert last.read_bytes() == before
    assert (run / "metrics.jsonl").read_bytes() == metrics


def test_a_foreign_checkpoint_cannot_be_resumed(run, refused):
    save_safetensors(run / "checkpoints" / "last.safetensors", {"w": np.zeros(2)})
    assert "is a safetensors file but not a minicap checkpoint" in refused("train", "--resume", run)


def test_a_run_is_not_overwritten(run, tiny_data, refused):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    message = refused("train", tiny_data, "--run", run, *SMALL)
    assert f"{run} already holds a run; --resume {run} continues it" in message
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_loss_that_blows_up_keeps_the_last_good_checkpoint(tiny_data, tmp_path, refused):
    run = tmp_path / "run"
    flags = [*SMALL, "--optimizer", "sgd", "--learning-rate", "1e38", "--clip-norm", "0"]
    message = refused("train", tiny_data, "--run", run, *flags)
    assert "stopped. The last good checkpoint is" in message
    assert "Try a smaller learning rate" in message
    assert all(np.isfinite(a).all() for a in arrays_of(run / "checkpoints" / "last.safetensors").values())
    assert Captioner.load(run).captions(np.ones((1, 1024), np.float32), beam=1)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[training]\nepoch = 3\n", r'[training]: unknown key "epoch" (did you mean "epochs"?)'),
        (
            "[trainings]\nepochs = 3\n",
            'unknown table "trainings"; the tables are data, encoder, model, training, reinforcement',
        ),
        ("training = 3\n", 'unknown table "training"'),
        ("[training]\nepochs = 'many'\n", "\"epochs\" is 'many', a str, but must be int"),
        ("[training]\nepochs = 0\n", "epochs is 0 but must be at least 1"),
        ("[model]\ncell = 'ltsm'\n", "cell is 'ltsm' but must be one of rnn, lstm, gru"),
        ("[training\n", "is not valid TOML"),
    ],
)
def test_mistakes_in_the_settings_are_named_and_leave_no_folder(tiny_data, tmp_path, refused, toml, message):
    (tmp_path / "my.toml").write_text(toml, encoding="utf-8")
    argv = ["train", tiny_data, "--run", tmp_path / "run", "--config", tmp_path / "my.toml", "--epochs", "1"]
    assert message in refused(*argv)
    assert not (tmp_path / "run").exists()


def test_other_mistakes_in_flags_are_named(tiny_data, tmp_path, refused):
    run = tmp_path / "run"
    assert "name a folder for the run: --run DIR" in refused("train", tiny_data)
    assert "say what to train on" in refused("train", "--run", run)
    assert "there is no such file or folder" in refused("train", tmp_path / "no", "--run", run)
    assert "cannot read" in refused("train", tiny_data, "--run", run, "--config", tmp_path / "no.toml")
    assert "unknown optimizer 'adan'" in refused("train", tiny_data, "--run", run, "--optimizer", "adan")
    assert "unknown schedule 'up'" in refused("train", tiny_data, "--run", run, "--schedule", "up")
    assert not run.exists()


def test_a_run_folder_that_cannot_be_made_is_named(tiny_data, tmp_path, refused):
    (tmp_path / "file").write_text("here already", encoding="utf-8")
    message = refused("train", tiny_data, "--run", tmp_path / "file" / "run", *SMALL)
    assert f"cannot make the run folder {tmp_path / 'file' / 'run'}: a file is in the way" in message


def test_a_damaged_photo_in_the_data_is_named(tmp_path, refused):
    data = make_dataset(tmp_path / "data")
    (data / "images" / "2.jpg").write_bytes(b"no photo")
    message = refused("train", data, "--run", tmp_path / "run", *SMALL)
    assert "2.jpg: not an image that can be read" in message


def test_a_data_set_without_training_photos_is_named(tmp_path, refused):
    data = make_dataset(tmp_path / "data", splits=("val", "test"))
    message = refused("train", data, "--run", tmp_path / "run", *SMALL)
    assert "the split 'train' has no photos (train 0, val 1, test 1)" in message


def test_a_data_set_without_validation_photos_is_fine(tmp_path, capsys):
    data = make_dataset(tmp_path / "data", splits=("train", "train"))
    assert main(["train", str(data), "--run", str(tmp_path / "run"), *SMALL, "--monitor", "cider"]) == 0
    assert "validation, greedy" not in capsys.readouterr().out
    assert Captioner.load(tmp_path / "run").origin.endswith("chosen by training loss")


@pytest.mark.slow
def test_a_captioner_killed_ten_times_ends_with_the_same_bits(tiny_data, tmp_path):
    """kill -9 at random moments of `minicap train`, each followed by --resume, against one run in peace."""
    settings = [*SMALL, "--epochs", "60", "--checkpoint-every", "1"]  # 120 steps
    train = ["-m", "minicap", "train"]
    whole, run = tmp_path / "whole", tmp_path / "killed"
    assert start_python(*train, tiny_data, "--run", whole, *settings).wait(300) == 0

    def steps() -> int:
        path = run / "metrics.jsonl"
        return path.read_bytes().count(b'"loss"') if path.exists() else 0

    rng = np.random.default_rng(5)
    command = [*train, tiny_data, "--run", run, *settings]
    for kill in range(10):
        with start_python(*command) as process:
            target = steps() + int(rng.integers(0, 10))
            while steps() < target and process.poll() is None:
                time.sleep(0.001)
            time.sleep(float(rng.uniform(0, 0.02)))
            if kill == 1:  # one of them long before the first step
                time.sleep(float(rng.uniform(0, 0.5)))
            process.kill()
        assert process.returncode != 0, f"the run ended before kill {kill}"
        command = [*train, "--resume", run] if (run / "config.toml").exists() else command
    assert start_python(*command).wait(300) == 0
    assert load_checkpoint(run / "checkpoints" / "last.safetensors").progress["step"] == 120
    assert_same_run(RunFolder(run), RunFolder(whole))


def test_features_are_computed_once(trained, tiny_data, tmp_path, monkeypatch):
    monkeypatch.setattr(SqueezeNetEncoder, "encode", lambda self, images, kind: pytest.fail("computed again"))
    assert main(["train", str(tiny_data), "--run", str(tmp_path / "run"), *SMALL]) == 0


def test_metrics_are_json_a_line(trained):
    lines = (trained / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert all({"step", "epoch"} <= set(json.loads(line)) for line in lines)


def test_a_learning_rate_beyond_all_reason_is_an_error_that_names_it(tiny_data, tmp_path, refused):
    for epochs in ("1", "3"):
        flags = [*SMALL, "--learning-rate", "1e30", "--epochs", epochs]
        message = refused("train", tiny_data, "--run", tmp_path / epochs, *flags)
        assert "stopped. The last good checkpoint is" in message
        assert "Try a smaller learning rate" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\nseed = 0", "\nseed = 1", "training.seed was 0 and is 1"),
        ("batch_size = 4", "batch_size = 2", "training.batch_size was 4 and is 2"),
        ("max_words = 20", "max_words = 19", "data.max_words was 20 and is 19"),
        ("dropout = 0.5", "dropout = 0.25", "model.dropout was 0.5 and is 0.25"),
    ],
)
def test_an_edited_config_is_noticed_when_the_run_is_resumed(run, refused, old, new, message):
    config = run / "config.toml"
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_text(text.replace(old, new), encoding="utf-8")
    checkpoint = (run / "checkpoints" / "last.safetensors").read_bytes()
    assert f"{run} cannot be resumed: {message}. Undo that" in refused("train", "--resume", run)
    assert (run / "checkpoints" / "last.safetensors").read_bytes() == checkpoint


def trained_on_own_data(tmp_path):
    """A run on a data set of its own, and the JSON of that."""
    data = make_dataset(tmp_path / "data")
    assert main(["train", str(data), "--run", str(tmp_path / "run"), *SMALL]) == 0
    return tmp_path / "run", data / "dataset_tiny.json"


def test_captions_edited_so_that_the_vocabulary_keeps_its_size_are_noticed(tmp_path, refused):
    run, path = trained_on_own_data(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("circle", "zircle"), encoding="utf-8")
    message = refused("train", "--resume", run)
    assert "the vocabulary changed; the captions for training changed" in message


def test_a_removed_photo_and_another_order_are_noticed(tmp_path, refused):
    run, path = trained_on_own_data(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    for images in (content["images"][1:], content["images"][::-1]):
        path.write_text(json.dumps(content | {"images": images}), encoding="utf-8")
        assert "the photos for training changed" in refused("train", "--resume", run, "--epochs", "9")
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_toml(run / "config.toml")["training"]["epochs"] == 2  # a refused run stays as it was
    assert main(["train", "--resume", str(run)]) == 0


def test_a_data_set_may_move(tmp_path):
    run, path = trained_on_own_data(tmp_path)
    moved = shutil.move(path.parent, tmp_path / "elsewhere")
    config = (run / "config.toml").read_text(encoding="utf-8")
    (run / "config.toml").write_text(config.replace(str(path.parent), str(moved)), encoding="utf-8")
    assert main(["train", "--resume", str(run), "--epochs", "3"]) == 0


def test_two_processes_do_not_train_into_one_folder(run, tiny_data, tmp_path, refused):
    before = (run / "metrics.jsonl").read_bytes()
    hold = "import sys, time; from minicap.training import RunFolder\n"
    hold += "with RunFolder(sys.argv[1]).locked(): print('held', flush=True); time.sleep(100)"
    with start_python("-c", hold, run, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        message = refused("train", "--resume", run, "--epochs", "4")
        assert f"{run} is in use by process {process.pid}" in message
        assert "is in use" in refused("train", tiny_data, "--run", run, *SMALL)
        process.kill()
    assert (run / "metrics.jsonl").read_bytes() == before
    assert main(["train", "--resume", str(run), "--epochs", "3"]) == 0


def test_the_best_checkpoint_may_be_that_of_the_best_captions(tiny_data, tmp_path, capsys):
    run = tmp_path / "run"
    flags = [*SMALL, "--epochs", "4", "--learning-rate", "0.01", "--monitor", "cider", "--patience", "9"]
    assert main(["train", str(tiny_data), "--run", str(run), *flags]) == 0
    epochs = [record for record in RunFolder(run).metrics() if "train_loss" in record]
    best = max(record["cider"] for record in epochs)
    assert load_checkpoint(run / "checkpoints" / "best.safetensors").progress["best"] == best
    assert all({"bleu_1", "bleu_4", "rouge_l", "validation_loss"} <= set(record) for record in epochs)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert f"cider {epochs[0]['cider']:.3f}" in lines[0]


def test_an_unknown_monitor_names_what_is_recorded(tiny_data, tmp_path, refused):
    message = refused("train", tiny_data, "--run", tmp_path / "run", *SMALL, "--monitor", "cidr")
    assert 'monitor "cidr" is not recorded' in message
    assert '(did you mean "cider"?)' in message


def test_training_ends_early_when_nothing_gets_better(tiny_data, tmp_path, capsys):
    flags = [*SMALL, "--epochs", "9", "--patience", "1", "--monitor-direction", "max"]
    assert main(["train", str(tiny_data), "--run", str(tmp_path / "run"), *flags]) == 0
    assert "no better validation_loss for 1 epochs; stopped" in capsys.readouterr().out


def test_options_and_groups_are_flags_too(tiny_data, tmp_path, refused):
    run = tmp_path / "run"
    flags = ["--optimizer-options", "beta1=0.8", "--schedule", "cosine", "--schedule-options", "floor=0.5"]
    groups = ["--groups", '[{pattern = "cell.*", rate_factor = 0.5}]']
    assert main(["train", str(tiny_data), "--run", str(run), *SMALL, *flags, *groups]) == 0
    config = read_toml(run / "config.toml")["training"]
    assert config["optimizer_options"] == {"beta1": 0.8}
    assert config["groups"] == [{"pattern": "cell.*", "rate_factor": 0.5}]
    assert main(["train", "--resume", str(run), "--epochs", "3"]) == 0
    other = ["train", tiny_data, "--run", tmp_path / "other", *SMALL]
    assert 'optimizer adam: unknown key "beta"' in refused(*other, "--optimizer-options", "beta=1.0")
    assert "Adam: beta1 is 2.0 but must be" in refused(*other, "--optimizer-options", "beta1=2")
    assert "--epochs is 'many' but must be int" in refused(*other, "--epochs", "many")
    assert "must be one of auto, min, max" in refused(*other, "--monitor-direction", "up")


def test_a_captioner_is_taught_the_words_of_other_photos(trained, tiny_data, tmp_path, capsys):
    run = tmp_path / "further"
    assert main(["train", str(tiny_data), "--run", str(run), "--from", str(trained), "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert "tiny: 4 photos, 8 captions" in out
    assert "settings chosen for so few captions: " in out
    before, after = Captioner.load(trained), Captioner.load(run)
    assert after.vocabulary.words[: len(before.vocabulary)] == before.vocabulary.words
    assert all(after.captions(np.ones((2, 1024), np.float32), beam=3))


def test_a_captioner_learns_from_the_scores_of_its_own_captions(
    trained, tiny_data, tmp_path, refused, capsys
):
    run, flags = tmp_path / "rewarded", ["--reinforce", "greedy", "--samples", "2"]
    train = ["train", str(tiny_data), "--run", str(run), *flags]
    assert "only a trained captioner can learn from scores: name one with --from RUN" in refused(*train)
    assert not run.exists()
    assert main([*train, "--from", str(trained), "--epochs", "1"]) == 0
    assert (
        "settings chosen for learning from scores: learning_rate 5e-05, monitor cider"
        in capsys.readouterr().out
    )
    records = RunFolder(run).metrics()
    assert all({"reward", "baseline"} <= record.keys() for record in records)
    assert {"cider", "validation_loss"} <= records[-1].keys()
    assert main(["train", "--resume", str(run), "--epochs", "2"]) == 0
    assert "--samples cannot change when a run is resumed" in refused(
        "train", "--resume", run, "--samples", "3"
    )


def test_a_flag_that_contradicts_the_captioner_one_starts_from_is_refused(
    trained, tiny_data, tmp_path, refused
):
    start = ("train", tiny_data, "--run", tmp_path / "run", "--from", trained)
    message = refused(*start, "--hidden-size", "99")
    assert f"--hidden-size 99: the captioner of --from {trained} has 12; leave it out" in message
    message = refused(*start, "--model", "attend-and-tell")
    assert f"--model attend-and-tell: the captioner of --from {trained} has show-and-tell" in message
    assert not (tmp_path / "run").exists()
    assert main([*map(str, start), "--hidden-size", "12", "--epochs", "1"]) == 0  # which contradicts nothing


def test_the_settings_of_a_run_from_another_make_the_same_run_again(
    trained, tiny_data, tmp_path, monkeypatch
):
    monkeypatch.chdir(trained.parent)
    start = f'[data]\npath = "{tiny_data.as_posix()}"\nstart = "{trained.name}"\n[training]\nepochs = 1\n'
    (tmp_path / "my.toml").write_text(start, encoding="utf-8")
    first, again = tmp_path / "first", tmp_path / "again"
    assert main(["train", "--config", str(tmp_path / "my.toml"), "--run", str(first)]) == 0
    monkeypatch.chdir(tmp_path)
    assert read_toml(first / "config.toml")["data"]["start"] == str(trained.resolve())
    assert main(["train", "--config", str(first / "config.toml"), "--run", str(again)]) == 0
    assert_same_run(RunFolder(again), RunFolder(first))


def test_a_run_from_another_goes_on_bit_for_bit_without_it(trained, tiny_data, tmp_path):
    start, short, long = tmp_path / "start", tmp_path / "short", tmp_path / "long"
    shutil.copytree(trained, start)
    for run, epochs in ((short, "1"), (long, "3")):
        command = ["train", str(tiny_data), "--run", str(run), "--from", str(start), "--epochs", epochs]
        assert main(command) == 0
    shutil.rmtree(start)
    assert main(["train", "--resume", str(short), "--epochs", "3"]) == 0
    assert_same_run(RunFolder(short), RunFolder(long))


@pytest.mark.parametrize("flag", ["DATA", "--from", "--run", "--config"])
def test_an_empty_path_is_refused(misused, flag):
    argv = [""] if flag == "DATA" else ["sample", flag, ""]
    assert f"argument {flag}: an empty path" in misused("train", *argv)


def test_an_export_that_float16_cannot_hold_is_refused(trained, tmp_path):
    captioner = Captioner.load(trained)
    arrays = {name: np.array(array) for name, array in captioner.model.params.items()}
    arrays["out_b"][0] = 1e6
    captioner.model.load(arrays | captioner.model.state)
    with pytest.raises(InputError, match=r"out_b reaches 1e\+06, too large for float16"):
        captioner.save(tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_standard_deviation_of_0_is_refused(trained):
    checkpoint = load_checkpoint(trained / "checkpoints" / "last.safetensors")
    checkpoint.model["feature_std"][3] = 0
    with pytest.raises(FormatError, match="feature_std has a standard deviation that is not above 0"):
        Captioner.from_checkpoint(checkpoint)
