import io
import json
import os
import pickle
import sys
import zipfile

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.errors import DtypeError, FormatError, InputError
from minicap.formats import load_safetensors, save_safetensors

DTYPES = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
arrays = hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
tensor_dicts = st.dictionaries(texts.filter(lambda name: name != "__metadata__"), arrays, max_size=5)
metadata_dicts = st.dictionaries(texts, texts, max_size=3)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("safetensors") / "a.safetensors"


@pytest.fixture(scope="module")
def oracle():
    return pytest.importorskip("safetensors.numpy", reason="the safetensors package is the oracle")


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(actual[name], array, strict=False)
        assert actual[name].shape == array.shape


def raw(header, data=b""):
    """A file with any header, right or wrong."""
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def small_file(path):
    tensors = {
        "w": np.arange(6, dtype=np.float32).reshape(2, 3),
        "flag": np.array([True, False]),
        "n": np.int8([5]),
    }
    save_safetensors(path, tensors, {"epoch": "3"})
    return path.read_bytes()


# Round trips


@given(tensor_dicts, metadata_dicts, st.booleans())
def test_what_is_saved_is_loaded(path, tensors, metadata, mmap):
    save_safetensors(path, tensors, metadata)
    loaded, loaded_metadata = load_safetensors(path, mmap=mmap)
    assert_same(loaded, tensors)
    assert list(loaded) == list(tensors)
    assert loaded_metadata == metadata


@given(tensor_dicts, metadata_dicts)
def test_the_safetensors_package_reads_what_we_write(oracle, path, tensors, metadata):
    save_safetensors(path, tensors, metadata)
    assert_same(oracle.load_file(path), tensors)
    with pytest.importorskip("safetensors").safe_open(path, "numpy") as file:
        assert (file.metadata() or {}) == metadata


@given(tensor_dicts, metadata_dicts, st.booleans())
def test_we_read_what_the_safetensors_package_writes(oracle, path, tensors, metadata, mmap):
    oracle.save_file(tensors, path, metadata or None)  # it cannot read its own file of {} and {}
    loaded, loaded_metadata = load_safetensors(path, mmap=mmap)
    assert_same(loaded, tensors)
    assert loaded_metadata == metadata


def test_no_tensors_and_no_metadata_make_a_valid_file(oracle, tmp_path):
    save_safetensors(tmp_path / "a", {})
    assert load_safetensors(tmp_path / "a") == ({}, {})
    assert oracle.load_file(tmp_path / "a") == {}


def test_strided_reversed_and_transposed_arrays_are_written_in_logical_order(tmp_path, oracle):
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    tensors = {
        "strided": base[:, ::2, 1::2],
        "reversed": base[::-1, :, ::-1],
        "transposed": base.transpose(2, 0, 1),
        "fortran": np.asfortranarray(base[0]),
        "broadcast": np.broadcast_to(base[0, 0], (3, 4)),
    }
    save_safetensors(tmp_path / "a", tensors)
    assert_same(load_safetensors(tmp_path / "a")[0], tensors)
    assert_same(oracle.load_file(tmp_path / "a"), tensors)


@pytest.mark.parametrize("dtype", [">i2", ">u4", ">i8", ">f2", ">f4", ">f8"])
def test_big_endian_arrays_keep_their_values(tmp_path, oracle, dtype):
    tensors = {"a": np.arange(5).astype(dtype), "transposed": np.arange(6).astype(dtype).reshape(2, 3).T}
    save_safetensors(tmp_path / "a", tensors)
    assert_same(load_safetensors(tmp_path / "a")[0], tensors)
    assert_same(oracle.load_file(tmp_path / "a"), tensors)


def test_platform_integers_are_stored_by_their_size(tmp_path):
    tensors = {
        "long": np.array([1], np.longlong),
        "int": np.array([1], np.intc),
        "size": np.array([1], np.uintp),
    }
    save_safetensors(tmp_path / "a", tensors)
    assert_same(load_safetensors(tmp_path / "a")[0], tensors)


def test_a_bfloat16_is_the_upper_half_of_a_float32(tmp_path):
    bits = np.array([0x3F80, 0xC000, 0x3E20, 0x0001, 0x7F80, 0x7FC0], dtype="<u2")
    (tmp_path / "a").write_bytes(raw({"a": entry("BF16", [6], [0, 12])}, bits.tobytes()))
    loaded = load_safetensors(tmp_path / "a")[0]["a"]
    np.testing.assert_array_equal(loaded, np.array([1, -2, 5 / 32, 2.0**-133, np.inf, np.nan], np.float32))


@pytest.mark.parametrize("mmap", [False, True])
def test_every_bfloat16_is_read_exactly(tmp_path, mmap):
    torch = pytest.importorskip("torch", reason="PyTorch knows bfloat16")
    bits = np.arange(2**16, dtype=np.uint16)
    header = {"a": entry("BF16", [256, 256], [0, bits.nbytes])}
    (tmp_path / "a").write_bytes(raw(header, bits.astype("<u2").tobytes()))
    loaded = load_safetensors(tmp_path / "a", mmap=mmap)[0]["a"]
    expected = torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16).float().numpy().reshape(256, 256)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, expected)


def test_tensors_lie_at_multiples_of_their_item_size(tmp_path):
    tensors = {f"{i}-{dtype}": np.ones(3, dtype) for i, dtype in enumerate(DTYPES)}
    for extra in range(8):
        save_safetensors(tmp_path / "a", tensors, {"pad": "x" * extra})
        content = (tmp_path / "a").read_bytes()
        length = int.from_bytes(content[:8], "little")
        assert length % 8 == 0
        header = json.loads(content[8 : 8 + length])
        for name, array in tensors.items():
            assert header[name]["data_offsets"][0] % array.itemsize == 0
        assert all(array.flags.aligned for array in load_safetensors(tmp_path / "a", mmap=True)[0].values())


def test_loaded_arrays_are_writable_and_own_their_memory(tmp_path):
    save_safetensors(tmp_path / "a", {"a": np.zeros(3), "b": np.zeros(3)})
    loaded, _ = load_safetensors(tmp_path / "a")
    loaded["a"] += 1
    np.testing.assert_array_equal(loaded["b"], np.zeros(3))
    np.testing.assert_array_equal(load_safetensors(tmp_path / "a")[0]["a"], np.zeros(3))


def test_mapped_arrays_are_read_only_and_outlive_the_call(tmp_path):
    save_safetensors(tmp_path / "a", {"a": np.arange(3)})
    mapped = load_safetensors(tmp_path / "a", mmap=True)[0]["a"]
    np.testing.assert_array_equal(mapped, [0, 1, 2])
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


def test_the_squeezenet_weights_are_read_as_the_safetensors_package_reads_them(shared_data, oracle):
    weights = shared_data / "weights" / "squeezenet1_1.safetensors"
    for mmap in (False, True):
        assert_same(load_safetensors(weights, mmap=mmap)[0], oracle.load_file(weights))


# What cannot be saved


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(2, complex),
        np.zeros(2, np.longdouble) if np.dtype(np.longdouble).itemsize > 8 else np.zeros(2, complex),
        np.array(["text"]),
        np.array([object()]),
        np.array(["2020-01-01"], "M8[D]"),
        np.zeros(2, [("x", "f4")]),
    ],
    ids=lambda array: str(array.dtype),
)
def test_a_dtype_outside_the_format_is_refused(tmp_path, array):
    with pytest.raises(DtypeError, match="save_safetensors: 'w' has dtype"):
        save_safetensors(tmp_path / "a", {"w": array})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [[1.0, 2.0], 3.0, None, np.float32(1)])
def test_anything_but_an_array_is_refused(tmp_path, value):
    with pytest.raises(DtypeError, match=r"not a NumPy array; convert it with to_host\(\)"):
        save_safetensors(tmp_path / "a", {"w": value})


@pytest.mark.parametrize("name", [3, None, "__metadata__", "\ud800"])
def test_a_name_the_format_has_no_room_for_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="save_safetensors"):
        save_safetensors(tmp_path / "a", {name: np.zeros(2)})


@pytest.mark.parametrize("metadata", [{"epoch": 3}, {3: "epoch"}, {"epoch": None}, {"epoch": "\ud800"}])
def test_metadata_must_be_strings(tmp_path, metadata):
    with pytest.raises(InputError, match="metadata"):
        save_safetensors(tmp_path / "a", {"w": np.zeros(2)}, metadata)


def test_a_refused_save_keeps_the_old_file(tmp_path):
    before = small_file(tmp_path / "a")
    with pytest.raises(DtypeError):
        save_safetensors(tmp_path / "a", {"good": np.zeros(2), "bad": np.zeros(2, complex)})
    assert (tmp_path / "a").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_save_that_fails_halfway_keeps_the_old_file_and_leaves_no_litter(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    before = small_file(tmp_path / "a")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        save_safetensors(tmp_path / "a", {"w": np.zeros(1000)})
    assert (tmp_path / "a").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


# Files that are not what they should be


def npz():
    buffer = io.BytesIO()
    np.savez(buffer, w=np.zeros(3))
    return buffer.getvalue()


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def empty_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", b"")
    return buffer.getvalue()


FOREIGN = {
    "zip": (empty_zip(), "zip archive, perhaps a PyTorch .pth"),
    "npz": (npz(), "zip archive"),
    "npy": (npy(), "NumPy .npy"),
    "pickle2": (pickle.dumps({"w": [1.0]}, protocol=2), "Python pickle"),
    "pickle4": (pickle.dumps({"w": [1.0]}, protocol=4), "Python pickle"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
    "html": (b"<!DOCTYPE html><title>404</title>", "web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
    "text": (b"just some words in a file", "its header would have"),
    "zeros": (bytes(64), "does not begin with"),
    "empty": (b"", "0 bytes are too few"),
    "seven": (bytes(7), "7 bytes are too few"),
}

DAMAGED = {
    "header longer than the file": (raw(b"{}")[:9], "truncated: the header should have 2 bytes"),
    "header over the limit": (
        (100_000_001).to_bytes(8, "little") + b"{}",
        "its header would have 100,000,001 bytes",
    ),
    "header length of 2^64 - 1": (b"\xff" * 8 + b"{}", "its header would have"),
    "header of no bytes": (raw(b""), "does not begin with"),
    "header begins with a blank": (raw(b" {}"), "does not begin with"),
    "header is a list": (raw(b"[]"), "does not begin with"),
    "header is no JSON": (raw(b"{w: 1}"), "not JSON"),
    "header is cut off": (raw(b'{"w": {'), "not JSON"),
    "header goes on": (raw(b"{} {}"), "not JSON"),
    "header is not UTF-8": (raw(b'{"\xff": 1}'), "not JSON"),
    "header is UTF-16": (raw(b"{\0}\0"), "not JSON"),
    "header nested too deep": (raw(b'{"w": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "not JSON"),
    "a number of 5000 digits": (raw(b'{"w": ' + b"9" * 5000 + b"}"), "not JSON"),
    "a lone surrogate": (raw(b'{"\\ud800": 1}'), "not JSON"),
    "duplicate tensor": (raw(b'{"w": 1, "w": 2}'), "duplicate key 'w'"),
    "duplicate field": (raw(b'{"w": {"shape": [1], "shape": [2]}}'), "duplicate key 'shape'"),
    "duplicate metadata": (raw(b'{"__metadata__": {"a": "", "a": ""}}'), "duplicate key 'a'"),
    "metadata is a list": (raw({"__metadata__": ["a"]}), "__metadata__ does not map"),
    "metadata holds a number": (raw({"__metadata__": {"epoch": 3}}), "__metadata__ does not map"),
    "tensor is a number": (raw({"w": 3}), "'w' is not described by an object"),
    "no dtype": (raw({"w": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)), "'w' has no dtype"),
    "dtype is a number": (raw({"w": entry(dtype=4)}, bytes(8)), "'w' has no dtype"),
    "no shape": (raw({"w": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8)), "'w' has shape None"),
    "no offsets": (raw({"w": {"dtype": "F32", "shape": [2]}}, bytes(8)), "'w' has data_offsets None"),
    "negative size": (raw({"w": entry(shape=[-2])}, bytes(8)), r"'w' has shape \[-2\]"),
    "two negative sizes": (raw({"w": entry(shape=[-1, -2])}, bytes(8)), r"'w' has shape \[-1, -2\]"),
    "size is a float": (raw({"w": entry(shape=[2.0])}, bytes(8)), r"'w' has shape \[2.0\]"),
    "size is true": (raw({"w": entry(shape=[True, 2])}, bytes(8)), r"'w' has shape \[True, 2\]"),
    "size is NaN": (raw({"w": entry(shape=[float("nan")])}, bytes(8)), "NaN is not a JSON number"),
    "65 axes": (raw({"w": entry(shape=[1] * 65, offsets=[0, 4])}, bytes(4)), "more than NumPy can hold"),
    "size beyond memory": (raw({"w": entry(shape=[2**40, 2**40])}, bytes(8)), "more than NumPy can hold"),
    "size beyond int64": (raw({"w": entry(shape=[0, 2**63], offsets=[0, 0])}), "more than NumPy can hold"),
    "empty but huge": (
        raw({"w": entry(shape=[0, 2**62, 2**62], offsets=[0, 0])}),
        "more than NumPy can hold",
    ),
    "three offsets": (raw({"w": entry(offsets=[0, 4, 8])}, bytes(8)), "expected \\[begin, end\\]"),
    "offsets are text": (raw({"w": entry(offsets=["0", "8"])}, bytes(8)), "expected \\[begin, end\\]"),
    "negative offset": (raw({"w": entry(offsets=[-8, 0])}, bytes(8)), "expected \\[begin, end\\]"),
    "offsets the wrong way round": (raw({"w": entry(offsets=[8, 0])}, bytes(8)), "takes 8 bytes"),
    "too many bytes for the shape": (raw({"w": entry(offsets=[0, 9])}, bytes(9)), "takes 8 bytes"),
    "too few bytes for the shape": (raw({"w": entry(offsets=[0, 7])}, bytes(7)), "takes 8 bytes"),
    "overlap": (
        raw({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)),
        "'b' overlaps the tensor before it",
    ),
    "the same bytes twice": (
        raw({"a": entry(), "b": entry()}, bytes(8)),
        "'b' overlaps the tensor before it",
    ),
    "empty tensor inside another": (
        raw({"a": entry(), "b": entry(shape=[0], offsets=[4, 4])}, bytes(8)),
        "'b' overlaps",
    ),
    "hole in the middle": (
        raw({"a": entry(), "b": entry(offsets=[12, 20])}, bytes(20)),
        "there is a hole before 'b'",
    ),
    "hole at the start": (raw({"a": entry(offsets=[4, 12])}, bytes(12)), "there is a hole before 'a'"),
    "bytes after the last tensor": (raw({"a": entry()}, bytes(11)), "3 bytes follow the last tensor"),
    "data cut off": (raw({"a": entry()}, bytes(7)), "truncated or damaged: 'a' .* 7 bytes of data"),
    "offsets far outside": (
        raw({"a": entry(offsets=[2**60, 2**60 + 8])}, bytes(8)),
        "truncated or damaged: 'a'",
    ),
    "boolean of 2": (
        raw({"m": entry("BOOL", [2], [0, 2])}, b"\x01\x02"),
        "'m' is BOOL but holds bytes other than 0 and 1",
    ),
}


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    ("content", "message"), [*FOREIGN.values(), *DAMAGED.values()], ids=[*FOREIGN, *DAMAGED]
)
def test_a_foreign_or_damaged_file_is_refused_with_its_own_message(tmp_path, content, message, mmap):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=rf"^load_safetensors: .*a\.safetensors: .*{message}") as caught:
        load_safetensors(path, mmap=mmap)
    assert len(str(caught.value).replace(str(path), "")) < 250
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "F4", "C64", "float32"])
def test_an_unknown_dtype_is_refused_by_name(tmp_path, dtype):
    (tmp_path / "a").write_bytes(raw({"w": entry(dtype)}, bytes(8)))
    with pytest.raises(FormatError, match=f"'w' has dtype '{dtype}'; readable are BOOL, U8"):
        load_safetensors(tmp_path / "a")


def test_unknown_fields_of_a_tensor_are_ignored_as_the_safetensors_package_does(tmp_path, oracle):
    content = raw({"w": entry() | {"comment": "ours"}}, np.float32([1, 2]).tobytes())
    (tmp_path / "a").write_bytes(content)
    assert_same(load_safetensors(tmp_path / "a")[0], oracle.load(content))


def test_a_hostile_name_does_not_reach_the_terminal_raw(tmp_path):
    (tmp_path / "a").write_bytes(raw({"\x1b[2J\n" + "w" * 10_000: 3}))
    with pytest.raises(FormatError) as caught:
        load_safetensors(tmp_path / "a")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FormatError, match=r"nowhere: there is no such file"):
        load_safetensors(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="it is a folder"):
        load_safetensors(tmp_path)
    with pytest.raises(FormatError, match="load_safetensors"):
        load_safetensors(tmp_path / ("long" * 100))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this system")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="not a regular file"):
        load_safetensors(tmp_path / "pipe")


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user on this system"
)
def test_an_unreadable_file_is_named(tmp_path):
    small_file(tmp_path / "a")
    (tmp_path / "a").chmod(0)
    with pytest.raises(FormatError, match=r"cannot read .*Permission denied"):
        load_safetensors(tmp_path / "a")


def test_an_input_error_of_the_disk_is_named(tmp_path, monkeypatch):
    def broken(descriptor):
        raise OSError(5, "Input/output error")

    small_file(tmp_path / "a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", broken)
        with pytest.raises(FormatError, match=r"cannot read .*Input/output error"):
            load_safetensors(tmp_path / "a")


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path, monkeypatch):
    content = small_file(tmp_path / "a")
    (tmp_path / "a").write_bytes(content[:-1])
    whole = os.stat_result((0o100644, 0, 0, 1, 0, 0, len(content), 0, 0, 0))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", lambda descriptor: whole)
        with pytest.raises(FormatError, match="the file ended inside"):
            load_safetensors(tmp_path / "a")


@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path, mmap):
    content = small_file(tmp_path / "whole")
    for length in range(len(content)):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(FormatError):
            load_safetensors(tmp_path / "cut", mmap=mmap)


@pytest.mark.parametrize("mmap", [False, True])
def test_any_flipped_bit_is_refused_or_read_as_the_safetensors_package_reads_it(tmp_path, oracle, mmap):
    content = small_file(tmp_path / "whole")
    refused = 0
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            (tmp_path / "damaged").write_bytes(damaged)
            try:
                loaded, _ = load_safetensors(tmp_path / "damaged", mmap=mmap)
            except FormatError:
                refused += 1
            else:
                assert_same(loaded, oracle.load(bytes(damaged)))
            if mmap:
                loaded = None  # Windows cannot rewrite a mapped file
    assert 0 < refused < 8 * len(content)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(FormatError):
        load_safetensors(path)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-2, 2**65) | st.floats() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=4,
    ),
    st.sampled_from(["dtype", "shape", "data_offsets", "w", "__metadata__"]),
)
def test_any_json_in_any_place_of_the_header_is_refused_or_read_as_the_package_reads_it(
    oracle, path, value, place
):
    header = {"w": entry()}
    (header if place in ("w", "__metadata__") else header["w"])[place] = value
    content = raw(header, bytes(8))
    path.write_bytes(content)
    try:
        loaded, _ = load_safetensors(path)
    except FormatError:
        return
    assert_same(loaded, oracle.load(content))
