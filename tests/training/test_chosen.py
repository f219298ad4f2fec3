import numpy as np
import pytest

from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, save_checkpoint
from minicap.training import chosen_checkpoint, kind_of, origin, run_folder_of


def test_the_best_checkpoint_is_chosen_and_else_the_last(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    last, best = (tmp_path / "checkpoints" / f"{name}.safetensors" for name in ("last", "best"))
    last.touch()
    assert chosen_checkpoint(tmp_path) == last
    best.touch()
    assert chosen_checkpoint(tmp_path) == best
    assert chosen_checkpoint(last) == last


def test_a_folder_without_checkpoints_is_no_run(tmp_path):
    with pytest.raises(InputError, match="is not a run folder: it has no checkpoints"):
        chosen_checkpoint(tmp_path)


def test_where_there_is_nothing_the_nearest_name_beside_it_is_offered(tmp_path):
    (tmp_path / "cifar").mkdir()
    with pytest.raises(InputError, match=r'there is no such file or run folder \(did you mean "cifar"\?\)$'):
        chosen_checkpoint(tmp_path / "cifra")
    with pytest.raises(InputError, match=r"there is no such file or run folder$"):
        chosen_checkpoint(tmp_path / "nowhere" / "cifar")
    with pytest.raises(InputError, match="there is no such file or run folder"):
        chosen_checkpoint(tmp_path / ("n" * 5000))


def test_the_best_is_said_to_be_chosen_and_the_last_is_not(tmp_path):
    checkpoint = Checkpoint({}, {}, {"epoch": 3}, {"chosen_by": "accuracy"})
    assert origin(checkpoint, tmp_path / "best.safetensors") == "epoch 3, chosen by accuracy"
    assert origin(checkpoint, tmp_path / "last.safetensors") == "epoch 3"
    assert origin(checkpoint._replace(progress={}), tmp_path / "best.safetensors") == ""


def test_a_run_folder_holds_what_its_checkpoint_says(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    last = tmp_path / "checkpoints" / "last.safetensors"
    save_checkpoint(last, Checkpoint({}, {}, {}, {"kind": "classifier"}))
    assert kind_of(tmp_path) == kind_of(last) == "classifier"
    save_checkpoint(last, Checkpoint({}, {}, {}, {}))
    with pytest.raises(FormatError, match=r"last\.safetensors does not say what it holds"):
        kind_of(tmp_path)


def test_the_kind_is_told_without_reading_the_arrays(tmp_path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, Checkpoint({"w": np.ones(9, np.float32)}, {}, {}, {"kind": "classifier"}))
    content = bytearray(path.read_bytes())
    content[-4:] = np.array(np.nan, np.float32).tobytes()  # which no checkpoint may hold
    path.write_bytes(content)
    assert kind_of(path) == "classifier"


def test_a_run_folder_is_found_from_itself_and_its_checkpoints_wherever_one_stands(tmp_path, monkeypatch):
    checkpoints = tmp_path / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "best.safetensors").touch()
    assert run_folder_of(tmp_path / "run") is None  # it has no settings yet
    (tmp_path / "run" / "config.toml").touch()
    assert run_folder_of(tmp_path / "run") == tmp_path / "run"
    monkeypatch.chdir(checkpoints)
    found = run_folder_of("best.safetensors")
    assert found is not None
    assert found.samefile(tmp_path / "run")
    (tmp_path / "alone.safetensors").touch()
    assert run_folder_of(tmp_path / "alone.safetensors") is None
