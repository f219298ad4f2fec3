import sys

import numpy as np
import pytest

from minicap.captioning import Captioner
from minicap.cli import main
from minicap.formats import load_checkpoint


def test_an_exported_captioner_is_small_and_describes_as_the_run_does(trained, tmp_path, capsys):
    path = tmp_path / "small.safetensors"
    assert main(["export", str(trained), str(path)]) == 0
    assert str(path) in capsys.readouterr().out
    exported = load_checkpoint(path)
    assert {array.dtype for array in exported.model.values()} == {np.dtype(np.float16)}
    assert exported.optimizer == {}
    features = np.ones((2, 1024), np.float32)
    assert Captioner.load(path).captions(features) == Captioner.load(trained).captions(features)


def test_full_precision_keeps_every_bit(trained, tmp_path):
    assert main(["export", str(trained), str(tmp_path / "full.safetensors"), "--float32"]) == 0
    ours, theirs = (Captioner.load(p).model.params for p in (tmp_path / "full.safetensors", trained))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_a_path_that_cannot_be_is_refused(trained, misused):
    assert "argument FILE.safetensors: an empty path" in misused("export", trained, "")
    assert "File name too long" in misused("export", "a" * 5000, "b.safetensors")


def test_control_characters_in_the_file_do_not_reach_the_terminal(trained, tmp_path, capsys):
    if sys.platform == "win32":
        pytest.skip("this system has no such names")
    assert main(["export", str(trained), str(tmp_path / "a\x1b[2J.safetensors")]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["best", "last", "small"])
def test_a_run_keeps_its_checkpoints(trained, refused, name):
    before = {path: path.read_bytes() for path in (trained / "checkpoints").iterdir()}
    target = trained / "checkpoints" / f"{name}.safetensors"
    assert f"{target} would lie among the checkpoints of a run" in refused("export", trained, target)
    assert {path: path.read_bytes() for path in (trained / "checkpoints").iterdir()} == before


@pytest.mark.parametrize("target", ["no/folder/x.safetensors", "."])
def test_a_file_that_cannot_be_written_is_named(trained, refused, target):
    assert f"cannot write {target}" in refused("export", trained, target)
