"""Names stand for runs in one table; nothing else leads to a file."""

import shutil

import pytest

from minicap.captioning import Captioner
from minicap.classification import Classifier
from minicap.errors import InputError
from minicap.web.limits import Limits
from minicap.web.refusal import Refusal
from minicap.web.runs import Runs


def test_what_ships_with_minicap_is_always_there():
    runs = Runs()
    assert runs.defaults() == ["shipped", "efficientnet_lite0", "tags"]
    assert isinstance(runs.model(runs.find("shipped")), Captioner)
    assert isinstance(runs.model(runs.find("efficientnet_lite0")), Classifier)


def test_runs_are_named_by_their_folders(runs_folder):
    run = Runs(folder=runs_folder).find("mine")
    assert (run.kind, run.model) == ("captioner", "attend-and-tell on squeezenet1_1")
    assert run.to_json()["describes"]
    assert run.to_json()["trains"]


def test_runs_lie_up_to_three_folders_deep_and_hidden_ones_are_passed_over(tmp_path):
    for name in ("a/b/c", "a/b/d/e/f", ".hidden/run", "plain"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.toml").write_text("", encoding="utf-8")
    (tmp_path / "plain" / "inner").mkdir()
    (tmp_path / "plain" / "inner" / "config.toml").write_text("", encoding="utf-8")
    assert {name for name, run in Runs(folder=tmp_path).table.items() if run.path} == {"a/b/c", "plain"}


def test_a_folder_may_be_a_run_itself_and_a_checkpoint_has_its_own_name(runs_folder):
    checkpoint = runs_folder / "mine" / "checkpoints" / "best.safetensors"
    runs = Runs([runs_folder / "mine", checkpoint], runs_folder / "mine")
    assert {name for name, run in runs.table.items() if run.path} == {"mine", "best", "mine-2"}
    assert not runs.find("best").to_json()["trains"]


def test_a_run_that_begins_later_joins_the_table(runs_folder, tmp_path):
    runs = Runs(folder=tmp_path)
    shutil.copytree(runs_folder / "mine", tmp_path / "later")
    with pytest.raises(Refusal):
        runs.find("later")
    assert "later" in runs.refresh()
    assert runs.find("later").kind == "captioner"


def test_at_most_so_many_runs_are_listed(tmp_path):
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "config.toml").write_text("", encoding="utf-8")
    table = Runs(folder=tmp_path, limits=Limits(most_runs=3)).table
    assert [name for name, run in table.items() if run.path] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "name", ["../mine", "mine/../mine", "/etc/passwd", "mine/checkpoints", "", "mine\0", "C:\\x"]
)
def test_what_is_not_in_the_table_does_not_exist(runs_folder, name):
    with pytest.raises(Refusal, match="there is no run") as refusal:
        Runs(folder=runs_folder).find(name)
    assert refusal.value.status == 404


def test_the_nearest_name_is_told(runs_folder):
    with pytest.raises(Refusal, match='did you mean "mine"'):
        Runs(folder=runs_folder).find("mime")


def test_a_model_is_loaded_once_and_again_when_its_checkpoint_is_written(runs_folder, tmp_path):
    shutil.copytree(runs_folder / "mine", tmp_path / "mine")
    runs = Runs(folder=tmp_path)
    run = runs.find("mine")
    first = runs.model(run)
    assert runs.model(run) is first
    best = tmp_path / "mine" / "checkpoints" / "best.safetensors"
    best.unlink()  # the last checkpoint is there still, another file
    assert runs.model(run) is not first


def test_only_the_models_used_last_stay_in_memory(runs_folder):
    runs = Runs(folder=runs_folder, limits=Limits(most_loaded=1))
    first = runs.model(runs.find("mine"))
    runs.model(runs.find("shipped"))
    assert runs.model(runs.find("mine")) is not first


def test_a_damaged_run_is_listed_with_its_problem_but_not_its_path(tmp_path):
    (tmp_path / "broken" / "checkpoints").mkdir(parents=True)
    (tmp_path / "broken" / "checkpoints" / "best.safetensors").write_bytes(b"nothing")
    runs = Runs(folder=tmp_path)
    run = runs.find("broken")
    assert run.problem
    assert str(tmp_path) not in run.problem
    assert not run.to_json()["describes"]
    with pytest.raises(Refusal, match="is no captioner"):
        runs.model(run)


def test_a_run_that_breaks_later_is_refused_without_its_path(runs_folder, tmp_path):
    shutil.copytree(runs_folder / "mine", tmp_path / "mine")
    runs = Runs(folder=tmp_path)
    run = runs.find("mine")
    for file in (tmp_path / "mine" / "checkpoints").iterdir():
        file.write_bytes(b"nothing")
    with pytest.raises(Refusal, match="mine cannot be used") as refusal:
        runs.model(run)
    assert str(tmp_path) not in str(refusal.value)


def test_a_run_without_a_checkpoint_can_be_followed_but_not_asked(runs_folder, tmp_path):
    shutil.copytree(runs_folder / "mine", tmp_path / "mine")
    shutil.rmtree(tmp_path / "mine" / "checkpoints")
    run = Runs(folder=tmp_path).find("mine")
    assert (run.kind, run.model) == ("", "attend-and-tell on squeezenet1_1")
    assert run.to_json()["trains"]
    assert not run.to_json()["describes"]


def test_paths_that_are_no_runs_are_refused_at_the_start(tmp_path):
    with pytest.raises(InputError, match="neither a run folder nor a checkpoint"):
        Runs([tmp_path])
    with pytest.raises(InputError, match="there is no folder"):
        Runs(folder=tmp_path / "missing")
