import json

import numpy as np
import pytest

from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, load_checkpoint, narrowed, save_checkpoint, save_safetensors


@pytest.fixture
def checkpoint(rng):
    model = {"conv1.w": rng.normal(size=(2, 3)).astype(np.float32), "n.running_mean": np.zeros(3)}
    return Checkpoint(
        model, {"m/conv1.w": rng.normal(size=(2, 3))}, {"step": 7, "best": None}, {"kind": "größe"}
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path, checkpoint):
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    loaded = load_checkpoint(tmp_path / "a.safetensors")
    assert (loaded.progress, loaded.about) == (checkpoint.progress, checkpoint.about)
    for ours, theirs in ((loaded.model, checkpoint.model), (loaded.optimizer, checkpoint.optimizer)):
        assert set(ours) == set(theirs)
        for name, array in theirs.items():
            assert ours[name].dtype == array.dtype
            np.testing.assert_array_equal(ours[name], array)


def test_it_is_a_safetensors_file_that_others_read(tmp_path, checkpoint):
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is the oracle")
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    tensors = numpy.load_file(tmp_path / "a.safetensors")
    assert set(tensors) == {"model/conv1.w", "model/n.running_mean", "optimizer/m/conv1.w"}


def test_progress_floats_come_back_bit_for_bit(tmp_path, rng):
    values = [float(x) for x in rng.normal(size=100) * 10.0 ** rng.integers(-300, 300, size=100)]
    save_checkpoint(tmp_path / "a.safetensors", Checkpoint({}, {}, {"values": values}, {}))
    assert load_checkpoint(tmp_path / "a.safetensors").progress["values"] == values


def test_saving_takes_arrays_of_any_backend_and_leaves_them_there(tmp_path, backend):
    live = backend.from_host(np.arange(6.0).reshape(2, 3))
    save_checkpoint(tmp_path / "a.safetensors", Checkpoint({"w": live}, {"m/w": live}, {}, {}))
    assert type(live) is backend.array_type
    np.testing.assert_array_equal(
        load_checkpoint(tmp_path / "a.safetensors").model["w"], np.arange(6.0).reshape(2, 3)
    )


def test_a_checkpoint_cut_anywhere_is_refused(tmp_path, checkpoint):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, checkpoint)
    whole = path.read_bytes()
    for size in (0, 5, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match=r"a\.safetensors"):
            load_checkpoint(path)


def test_a_safetensors_file_of_somebody_else_is_told_apart(tmp_path):
    save_safetensors(tmp_path / "a.safetensors", {"w": np.zeros(2)})
    with pytest.raises(FormatError, match="is a safetensors file but not a minicap checkpoint"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_a_newer_format_says_so(tmp_path):
    metadata = {"minicap": json.dumps({"format": 99}), "progress": "{}", "about": "{}"}
    save_safetensors(tmp_path / "a.safetensors", {}, metadata)
    with pytest.raises(FormatError, match="has checkpoint format 99; this minicap reads format 1"):
        load_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "damage",
    [
        {"minicap": "no json"},
        {"minicap": "[]"},
        {"minicap": "{}"},
        {"progress": "no json"},
        {"progress": "7"},
        {"about": '["kind"]'},
        {"about": "null"},
    ],
)
def test_a_damaged_header_is_refused(tmp_path, damage):
    metadata = {"minicap": json.dumps({"format": 1}), "progress": "{}", "about": "{}"}
    save_safetensors(tmp_path / "a.safetensors", {}, metadata | damage)
    with pytest.raises(FormatError, match="the header of this checkpoint is damaged"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_a_header_without_its_parts_is_refused(tmp_path):
    save_safetensors(tmp_path / "a.safetensors", {}, {"minicap": json.dumps({"format": 1})})
    with pytest.raises(FormatError, match="the header of this checkpoint is damaged"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_a_failed_save_keeps_the_checkpoint_before(tmp_path, checkpoint):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()
    with pytest.raises(InputError):
        save_checkpoint(tmp_path / "nowhere" / "a.safetensors", checkpoint)
    with pytest.raises(TypeError):
        save_checkpoint(path, checkpoint._replace(about={"kind": object()}))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


UNUSABLE = {
    "NaN": (np.array([1, np.nan]), "holds NaN or infinity"),
    "infinity": (np.array([np.inf]), "holds NaN or infinity"),
    "integers": (np.array([1, 2]), "is int64, but a model's arrays are floats"),
}


@pytest.mark.parametrize(("array", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_weights_that_cannot_be_right_are_neither_written_nor_read(tmp_path, array, says):
    path = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match=f"was not written: rnn.b {says}"):
        save_checkpoint(path, Checkpoint({"rnn.b": array}, {}, {}, {}))
    assert not path.exists()
    metadata = {"minicap": json.dumps({"format": 1}), "progress": "{}", "about": "{}"}
    save_safetensors(path, {"model/rnn.b": array}, metadata)
    with pytest.raises(FormatError, match=rf"a\.safetensors: rnn.b {says}"):
        load_checkpoint(path)


def test_arrays_are_narrowed_and_one_that_does_not_fit_is_named():
    found = narrowed({"w": np.array([0.5, 2.0])}, np.float16)
    assert found["w"].dtype == np.float16
    assert found["w"].tolist() == [0.5, 2.0]
    with pytest.raises(InputError, match=r"b reaches 7e\+04, too large for float16; save it as float32"):
        narrowed({"w": np.ones(2), "b": np.array([1.0, -7e4])}, np.float16)
