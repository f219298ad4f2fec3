import numpy as np
from multilabel.small_runs import split

from minicap.multilabel import TagEvaluation
from minicap.multilabel.run import TagRunConfig, make_trainer
from minicap.training import RunFolder
from tools import label_table

LABELS = ("cat", "dog")


def said(*given):
    there = np.array([[1, 0], [1, 1]], float)
    return TagEvaluation(np.array(given, float), there, LABELS, np.array(given, float))


def test_a_row_has_mean_and_spread_over_the_seeds():
    found = {("init", 1): [said([1, 0], [1, 1]), said([0, 1], [1, 1])], ("bce", 1): [said([1, 0], [1, 1])]}
    _, _, init, bce = label_table.table(found).splitlines()
    # The second run is right on the second photo only; its dogs are ranked 1 and 1, its cats 0 and 1.
    assert init == "| init | 1 | 2 | 75.0 ± 35.4 | 75.0 ± 35.4 | 75.0 ± 35.4 | 87.5 ± 17.7 |"
    assert bce == "| bce | 1 | 1 | 100.0 | 100.0 | 100.0 | 100.0 |"


def test_f1_is_told_by_the_number_of_labels():
    assert label_table.by_number([said([1, 0], [1, 0])]).splitlines()[2:] == [
        "| 1 | 1 | 100.0 |",
        "| 2 | 1 | 66.7 |",
    ]


def test_runs_of_one_name_are_found_with_all_their_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(label_table, "open_tagged", lambda path, outside: path)
    monkeypatch.setattr(label_table, "load_split", lambda dataset, name, encoder: split("test"))
    for seed in range(2):
        config = TagRunConfig.from_tables({"training": {"epochs": 1, "seed": seed}}, "test")
        run = RunFolder(tmp_path / f"linear-seed{seed}")
        make_trainer(config, run, split("train"))[1].fit()
        run.write_config(config.to_toml())
    (tmp_path / "unfinished-seed0").mkdir()
    found = label_table.evaluations(tmp_path, [1, 3])
    assert {key: len(runs) for key, runs in found.items()} == {("linear", 1): 2}
