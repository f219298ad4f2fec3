import pytest

from minicap.errors import InputError
from minicap.formats import Checkpoint
from minicap.training import chosen_checkpoint, origin


def test_the_best_checkpoint_is_chosen_and_else_the_last(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    last, best = (tmp_path / "checkpoints" / f"{name}.safetensors" for name in ("last", "best"))
    last.touch()
    assert chosen_checkpoint(tmp_path) == last
    best.touch()
    assert chosen_checkpoint(tmp_path) == best
    assert chosen_checkpoint(last) == last


def test_a_folder_without_checkpoints_is_no_run(tmp_path):
    with pytest.raises(InputError, match="is no run folder: it has no checkpoints"):
        chosen_checkpoint(tmp_path)


def test_the_best_is_said_to_be_chosen_and_the_last_is_not(tmp_path):
    checkpoint = Checkpoint({}, {}, {"epoch": 3}, {"chosen_by": "accuracy"})
    assert origin(checkpoint, tmp_path / "best.safetensors") == "epoch 3, chosen by accuracy"
    assert origin(checkpoint, tmp_path / "last.safetensors") == "epoch 3"
    assert origin(checkpoint._replace(progress={}), tmp_path / "best.safetensors") == ""
