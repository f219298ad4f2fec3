"""Files are written with h5py, in the layouts that Keras has written since its first version."""

import sys

import numpy as np
import pytest

from minicap.errors import FormatError, InputError
from minicap.formats.keras_file import load_keras


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason='needs h5py: pip install "minicap[keras]"')


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.h5"


def write(h5py, path, layers, names=None, root="", strings=list):
    """layers: name -> {name of an array: array}, as Keras' save_weights lays them out.

    strings: np.array for strings of a fixed length, as h5py wrote them before its version 3.
    """
    with h5py.File(path, "w") as file:
        model = file.require_group(root) if root else file
        model.attrs["layer_names"] = strings([name.encode() for name in (names or layers)])
        for layer, arrays in layers.items():
            group = model.create_group(layer)
            group.attrs["weight_names"] = strings([name.encode() for name in arrays])
            for name, array in arrays.items():
                group.create_dataset(name, data=array)


def array(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


LAYERS = {
    "input_1": {},
    "conv1": {"conv1/kernel:0": array(3, 3, 2, 4), "conv1/bias:0": array(4)},
    "norm": {f"norm/{word}:0": array(4) + n for n, word in enumerate(("beta", "moving_mean", "moving_var"))},
    "fc": {"fc/kernel:0": array(4, 5)},
}


@pytest.mark.parametrize("strings", [list, np.array], ids=["long", "fixed"])
@pytest.mark.parametrize("root", ["", "model_weights"], ids=["weights", "whole model"])
def test_arrays_come_by_layer_and_word(h5py, path, root, strings):
    write(h5py, path, LAYERS, root=root, strings=strings)
    found = load_keras(path)
    assert list(found) == [
        *("conv1/kernel", "conv1/bias", "norm/beta", "norm/moving_mean", "norm/moving_variance", "fc/kernel")
    ]
    np.testing.assert_array_equal(found["conv1/kernel"], array(3, 3, 2, 4))
    np.testing.assert_array_equal(found["norm/moving_variance"], array(4) + 2)


def test_the_names_of_kerass_first_version_are_read_by_their_order(h5py, path):
    first = {
        "conv": {"conv_W_1:0": array(1, 1, 2, 3), "conv_b_1:0": array(3)},
        "bn": {f"bn_{word}:0": array(3) + n for n, word in enumerate("gb")}
        | {f"bn_running_{word}:0": array(3) + n for n, word in enumerate(("mean", "std"), 2)},
    }
    write(h5py, path, first)
    found = load_keras(path)
    assert found["conv/kernel"].shape == (1, 1, 2, 3)
    assert [found[f"bn/{word}"][0] for word in ("gamma", "beta", "moving_mean", "moving_variance")] == [
        *(0, 1, 2, 3)
    ]


def test_names_that_are_too_many_for_one_attribute_are_put_together(h5py, path):
    write(h5py, path, LAYERS)
    with h5py.File(path, "r+") as file:
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]
    assert len(load_keras(path)) == 6


def test_without_h5py_the_line_that_installs_it_is_said(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r'net\.h5 is read with h5py; .*pip install "minicap\[keras\]"'):
        load_keras(path)


@pytest.mark.parametrize("kind", ["soft", "external"])
@pytest.mark.parametrize("place", ["fc", "fc/fc/kernel:0"], ids=["layer", "array"])
def test_what_leads_elsewhere_is_refused(h5py, path, tmp_path, kind, place):
    write(h5py, tmp_path / "other.h5", LAYERS)
    write(h5py, path, LAYERS)
    with h5py.File(path, "r+") as file:
        del file[place]
        target = h5py.SoftLink("/conv1") if kind == "soft" else h5py.ExternalLink("other.h5", f"/{place}")
        file[place] = target
    with pytest.raises(FormatError, match=r"refused, since '.*' leads elsewhere"):
        load_keras(path)


def test_numbers_that_lie_in_another_file_are_refused(h5py, path, tmp_path):
    write(h5py, path, LAYERS)
    (tmp_path / "secret").write_bytes(bytes(80))
    with h5py.File(path, "r+") as file:
        del file["fc/fc/kernel:0"]
        file.create_dataset("fc/fc/kernel:0", (4, 5), "f4", external=[(str(tmp_path / "secret"), 0, 80)])
    with pytest.raises(FormatError, match="lie in another file"):
        load_keras(path)


@pytest.mark.parametrize(
    "options", [{}, {"chunks": (1 << 10, 1 << 10), "compression": "gzip"}], ids=["sparse", "packed"]
)
def test_a_small_file_cannot_ask_for_much_memory(h5py, path, options):
    write(h5py, path, LAYERS)
    with h5py.File(path, "r+") as file:
        del file["fc/fc/kernel:0"]
        file.create_dataset("fc/fc/kernel:0", (1 << 20, 1 << 20), "f4", **options)
    with pytest.raises(FormatError, match="more than the file has room for"):
        load_keras(path)


def test_one_array_under_many_names_cannot_either(h5py, path):
    write(h5py, path, {"fc": {"kernel": array(1000, 4)}})
    with h5py.File(path, "r+") as file:
        for number in range(9):
            file[f"fc{number}"] = file["fc"]
        file.attrs["layer_names"] = [f"fc{number}".encode() for number in range(9)]
    with pytest.raises(FormatError, match="more than the file has room for"):
        load_keras(path)


def test_what_is_no_file_of_weights_is_named(h5py, path):
    with pytest.raises(InputError, match=r"cannot read .*net\.h5"):
        load_keras(path)
    path.write_bytes(b"no HDF5 at all")
    with pytest.raises(FormatError, match=r"net\.h5: not an HDF5 file, or damaged"):
        load_keras(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=array(3))
    with pytest.raises(FormatError, match=r"no weights as Keras writes them \(layer_names is missing\)"):
        load_keras(path)
    write(h5py, path, {"lstm": {str(n): array(2, 2) for n in range(3)}})
    with pytest.raises(FormatError, match="layer 'lstm' is of a kind that is not known"):
        load_keras(path)
    write(h5py, path, {"fc": {"kernel": np.arange(6).reshape(2, 3)}})
    with pytest.raises(FormatError, match="'kernel' is no array of floats"):
        load_keras(path)


def test_a_layer_that_is_not_there_is_named(h5py, path):
    write(h5py, path, LAYERS, names=[*LAYERS, "conv2"])
    with pytest.raises(FormatError, match="refused, since 'conv2' leads elsewhere"):
        load_keras(path)


def test_a_file_cut_anywhere_ends_in_a_message(h5py, path):
    write(h5py, path, LAYERS)
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 23):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match=r"net\.h5"):
            load_keras(path)
