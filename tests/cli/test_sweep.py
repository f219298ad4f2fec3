import csv
import json
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import pytest
from classification.sets import write_digits
from PIL import Image
from training.sweep.test_runs import AtOnce

from minicap.cli import main
from minicap.cli.train import application_named
from minicap.formats import read_toml
from minicap.training.sweep import plan_runs, read_sweep, sweep

CONFIGS = [
    path
    for path in sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
    if "sweep" in read_toml(path)
]

TEXT = """
application = "classifier"
[data]
name = "mnist"
validation = 0.2
[model]
name = "softmax"
[training]
epochs = 1
[sweep]
seeds = [0, 1]
vary.training.learning_rate = [0.1, 0.01]
"""


@pytest.fixture
def digits(tmp_path):
    return write_digits(tmp_path / "digits")


@pytest.fixture
def config(tmp_path):
    (tmp_path / "rates.toml").write_text(TEXT, encoding="utf-8")
    return tmp_path / "rates.toml"


def test_a_sweep_prints_its_table_and_leaves_runs_tables_and_a_figure(config, digits, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    folder = tmp_path / "sweep"
    assert main(["sweep", str(config), str(digits), "--run", str(folder), "--jobs", "2"]) == 0
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert first == "mnist: 10 classes, photos of 1 x 8 x 8 (train 32, test 20, val 8)"
    assert second == "4 runs, cells 2, seeds 2"
    assert sum("learning_rate=0.1, seed" in line for line in lines) == 2
    assert any(line.startswith("| learning_rate | accuracy") for line in lines)
    assert lines[-1] == f"in {folder}: table.csv, table.md, figure.png"
    head, *rows = csv.reader((folder / "table.csv").read_text(encoding="utf-8").splitlines())
    assert head[:3] == ["learning_rate", "accuracy_mean", "accuracy_std"]
    assert [row[0] for row in rows] == ["0.1", "0.01"]
    assert (folder / "table.md").read_text(encoding="utf-8") in "\n".join([*lines, ""])
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    run = read_toml(folder / "learning_rate=0.1-seed1" / "config.toml")
    assert (run["training"]["learning_rate"], run["training"]["seed"]) == (0.1, 1)
    assert run["data"]["path"] == str(digits.resolve())

    assert main(["sweep", str(config), str(digits), "--run", str(folder)]) == 0
    again = capsys.readouterr().out
    assert "4 runs, cells 2, seeds 2; 4 of them are finished" in again
    assert "seed 1:" not in again


def test_a_failed_run_is_told_and_the_others_stay(tmp_path, tiny_data, capsys, monkeypatch):
    monkeypatch.setattr("minicap.cli.sweep.sweep", partial(sweep, executor=AtOnce()))
    text = "[data]\nmin_count = 1\n[model]\nembed_size = 4\nhidden_size = 4\n[training]\nepochs = 1\n"
    text += '[[sweep.cells]]\nname = "wild"\ntraining.optimizer = "sgd"\ntraining.learning_rate = 1e30\n'
    text += 'training.clip_norm = 0.0\n[[sweep.cells]]\nname = "tame"\n'
    (tmp_path / "my.toml").write_text(text, encoding="utf-8")
    folder = tmp_path / "sweep"
    assert main(["sweep", str(tmp_path / "my.toml"), str(tiny_data), "--run", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "wild, seed 0: failed: " in out
    assert "tame, seed 0: validation loss" in out
    assert out.splitlines()[-1] == "1 of 2 runs failed; the same command tries them again"


def test_the_runs_of_a_sweep_are_scored_in_one_table(config, digits, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("minicap.cli.sweep.sweep", partial(sweep, executor=AtOnce()))
    folder = tmp_path / "sweep"
    assert main(["sweep", str(config), str(digits), "--run", str(folder)]) == 0
    accuracies = []
    for seed in (0, 1):
        capsys.readouterr()
        assert main(["eval", str(folder / f"learning_rate=0.1-seed{seed}"), "--json"]) == 0
        accuracies.append(100 * json.loads(capsys.readouterr().out)["accuracy"])

    assert main(["eval", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["learning_rate=0.1", "learning_rate=0.01"]
    assert [run[""]["accuracy"] for run in found["learning_rate=0.1"]] == accuracies
    assert found["learning_rate=0.1"][0][""]["parameters"] == 8 * 8 * 10 + 10

    assert main(["eval", str(folder)]) == 0
    out = capsys.readouterr().out
    table = (folder / "scores-test.md").read_text(encoding="utf-8")
    assert table in out
    head, _, first, _ = table.splitlines()
    assert [text.strip() for text in head.strip("|").split("|")] == [
        *("cell", "accuracy", "top 5", "parameters", "training, s", "runs"),
    ]
    cells = [text.strip() for text in first.strip("|").split("|")]
    assert cells[:2] == ["learning_rate=0.1", f"{mean(accuracies):.1f} ± {stdev(accuracies):.1f}"]
    assert cells[-1] == "2"
    assert "not finished" not in out

    (folder / "learning_rate=0.1-seed1" / "result.json").unlink()
    assert main(["eval", str(folder)]) == 0
    assert "not finished and not scored: 1 of the runs" in capsys.readouterr().out


def test_every_way_of_decoding_is_a_row(tmp_path, tiny_data, capsys, monkeypatch):
    monkeypatch.setattr("minicap.cli.sweep.sweep", partial(sweep, executor=AtOnce()))
    text = "[data]\nmin_count = 1\n[model]\nembed_size = 4\nhidden_size = 4\n[training]\nepochs = 1\n"
    (tmp_path / "my.toml").write_text(text, encoding="utf-8")
    folder = tmp_path / "sweep"
    assert main(["sweep", str(tmp_path / "my.toml"), str(tiny_data), "--run", str(folder)]) == 0
    assert main(["eval", str(folder), "--split", "val"]) == 0
    table = (folder / "scores-val.md").read_text(encoding="utf-8")
    rows = [[text.strip() for text in line.strip("|").split("|")] for line in table.splitlines()]
    assert rows[0][:3] == ["cell", "decoding", "BLEU-1"]
    assert [row[1] for row in rows[2:]] == ["greedy", "beam 3"]


def test_a_sweep_without_a_finished_run_cannot_be_scored(tmp_path, refused):
    (tmp_path / "sweep.json").write_text('{"a-seed0": {}}', encoding="utf-8")
    assert "holds a sweep of which no run is finished" in refused("eval", tmp_path)


def test_mistakes_are_named_before_any_work(config, digits, tmp_path, refused, misused):
    folder = tmp_path / "sweep"
    start = ("sweep", config, digits, "--run", folder)

    def with_text(old, new):
        config.write_text(TEXT.replace(old, new), encoding="utf-8")
        return refused(*start)

    assert "unknown application 'painter'" in with_text('"classifier"', '"painter"')
    assert 'rates.toml [sweep]: unknown key "seed"' in with_text("seeds =", "seed =")
    assert 'unknown key "epoch" (did you mean "epochs"?)' in with_text("epochs =", "epoch =")
    assert 'unknown key "learning_rat"' in with_text("learning_rate = [", "learning_rat = [")
    assert "unknown optimizer 'adan'" in with_text("learning_rate = [0.1, 0.01]", 'optimizer = ["adan"]')
    config.write_text(TEXT, encoding="utf-8")
    assert "say in which folder" in refused("sweep", config, "--run", folder)
    assert "cannot read" in refused("sweep", tmp_path / "no.toml", "--run", folder)
    assert "the following arguments are required: --run" in misused("sweep", config)
    assert not folder.exists()


def tagged(folder):
    """Two photos to train on, each with two labels."""
    folder.mkdir()
    rows = ["photo,labels,split"]
    for number in range(2):
        Image.new("RGB", (9, 9), (100 * number, 0, 0)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,a;b,train")
    (folder / "labels.csv").write_text("\n".join(rows), "utf-8")
    return folder


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_sweep_of_the_repository_is_whole_and_trains(path, digits, tiny_data, tmp_path):
    settings, tables = read_sweep(path)
    application = application_named(tables["application"])
    if application.CONFIG.application == "classifier":
        tables["data"] |= {"name": "mnist", "path": str(digits), "subset": 6}
        assert settings.seeds == (0, 1, 2)
    elif application.CONFIG.application == "tagger":
        tables["data"] = {"path": str(tagged(tmp_path / "photos"))}
        tables["encoder"] = {"name": "efficientnet_lite0"}  # which is everywhere
    else:
        tables["data"] = tables.get("data", {}) | {"path": str(tiny_data), "min_count": 1}
    tables["training"] |= {"epochs": 1}
    runs = plan_runs(application.CONFIG, settings, tables, path.name)
    assert len(runs) >= 6
    [(_, result)] = sweep(runs[-1:], application.OPEN_TRAINER, tmp_path / "sweep", AtOnce())
    assert result.error == ""
    assert f"minicap sweep configs/{path.name}" in path.read_text(encoding="utf-8")
