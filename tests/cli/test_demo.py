from dataclasses import replace

import numpy as np

from minicap.captioning import Captioner
from minicap.cli import demo, main
from minicap.formats import load_checkpoint


def test_the_demo_shows_the_checkpoint_that_eval_and_caption_take(tmp_path, monkeypatch, capsys):
    """With this learning rate the last epoch is far from the best."""
    training = replace(demo.CONFIG.training, epochs=3, learning_rate=0.3, schedule="constant")
    monkeypatch.setattr(demo, "CONFIG", replace(demo.CONFIG, training=training))
    run = tmp_path / "run"
    assert main(["demo", "--run", str(run)]) == 0
    shown = capsys.readouterr().out
    best, last = (load_checkpoint(run / "checkpoints" / f"{n}.safetensors") for n in ("best", "last"))
    assert best.progress["epoch"] < last.progress["epoch"]
    assert not np.array_equal(best.model["out_b"], last.model["out_b"])

    origin = f"epoch {best.progress['epoch']}, chosen by loss on test"
    assert Captioner.load(run).origin == origin
    assert origin in shown
    assert main(["eval", str(run), "--split", "test", "--beam", "3"]) == 0
    evaluated = capsys.readouterr().out
    assert origin in evaluated
    [ours] = [line for line in shown.splitlines() if line.startswith("this demo (")]
    [theirs] = [line for line in evaluated.splitlines() if line.startswith("beam 3")]
    assert ours.split()[-6:] == theirs.split()[2:8]  # behind "beam 3"


def test_a_folder_that_cannot_be_is_refused(misused, tmp_path, refused, trained):
    assert "argument --run: an empty path" in misused("demo", "--run", "")
    assert "File name too long" in misused("demo", "--run", "a" * 5000)
    assert "already holds a run; choose another folder" in refused("demo", "--run", trained)
