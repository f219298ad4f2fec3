from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, load_checkpoint, save_checkpoint
from minicap.nn import Affine, Module
from minicap.training import Trained


class Scale(Trained):
    """Weighs so many things."""

    kind, called = "scale", "a scale"

    def __init__(self, things: int) -> None:
        self.things = things
        self.model: Module = Affine(things, 1).initialize(0)

    def about(self) -> dict[str, Any]:
        return {"kind": self.kind, "things": self.things}

    @classmethod
    def described(cls, about: Mapping[str, Any], where: str) -> "Scale":
        if about["things"] > 9:
            raise ValueError(f"{where}: too many things")
        return cls(about["things"])

    @staticmethod
    def flaw(arrays: Mapping[str, np.ndarray]) -> str:
        return "" if arrays["w"].any() else "w is zero"


def test_what_was_saved_is_loaded_from_its_file_or_its_run(tmp_path):
    scale = Scale(3)
    (tmp_path / "checkpoints").mkdir()
    best = tmp_path / "checkpoints" / "best.safetensors"
    scale.save(best, np.float32)
    for path in (best, tmp_path):
        again = Scale.load(path)
        assert (again.things, again.origin) == (3, "")
        np.testing.assert_array_equal(again.model.params["w"], scale.model.params["w"])


def test_it_knows_which_checkpoint_it_came_from(tmp_path):
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, Checkpoint(Scale(2).model.params, {}, {"epoch": 7}, Scale(2).about()))
    assert Scale.load(path).origin == "epoch 7"


def test_half_precision_is_usual_and_read_as_float32(tmp_path):
    path = tmp_path / "scale.safetensors"
    Scale(3).save(path)
    assert load_checkpoint(path).model["w"].dtype == np.float16
    assert Scale.load(path).model.params["w"].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "lamp"}, "^scales holds 'lamp', not a scale$"),
        ({"kind": None}, "^scales holds None, not a scale$"),
        ({"things": 10}, "^scales: too many things$"),
        ({"things": "some"}, "^scales: '>' not supported"),
        ({"things": 4}, "^scales does not fit its own description: "),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(change, message):
    checkpoint = Checkpoint(Scale(3).model.params, {}, {}, Scale(3).about() | change)
    with pytest.raises(FormatError, match=message):
        Scale.from_checkpoint(checkpoint, "scales")


@pytest.mark.parametrize(
    ("about", "message"),
    [({}, "holds 'something unnamed', not a scale"), ({"kind": "scale"}, "'things' is missing")],
)
def test_a_checkpoint_that_says_too_little_is_refused(about, message):
    with pytest.raises(FormatError, match=message):
        Scale.from_checkpoint(Checkpoint({}, {}, {}, about))


def test_what_has_a_flaw_is_neither_saved_nor_loaded(tmp_path):
    scale = Scale(3)
    scale.model.params["w"][...] = 0
    with pytest.raises(InputError, match=r"Scale\.save: w is zero"):
        scale.save(tmp_path / "scale.safetensors")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FormatError, match="the checkpoint: w is zero"):
        Scale.from_checkpoint(Checkpoint(scale.model.params, {}, {}, scale.about()))
