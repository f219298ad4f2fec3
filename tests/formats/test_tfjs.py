import io
import json
import tarfile

import numpy as np
import pytest

from minicap.errors import FormatError
from minicap.formats.tfjs import load_tfjs

ARRAYS = {"conv/kernel": np.arange(6, dtype="<f4").reshape(1, 2, 3), "conv/bias": np.float32([7, 8, 9])}


def manifest(dtype="float32", **more):
    weights = [{"name": name, "shape": [*a.shape], "dtype": dtype, **more} for name, a in ARRAYS.items()]
    return {"weightsManifest": [{"paths": ["part1.bin", "part2.bin"], "weights": weights}]}


def write(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def files(model):
    stored = b"".join(array.tobytes() for array in ARRAYS.values())
    return {
        "package/model/model.json": json.dumps(model).encode(),
        "package/model/part1.bin": stored[:10],
        "package/model/part2.bin": stored[10:],
    }


def test_arrays_are_read_across_their_files(tmp_path):
    arrays = load_tfjs(write(tmp_path / "a.tgz", files(manifest())))
    np.testing.assert_equal(arrays, ARRAYS)


def with_shape(*shape):
    model = manifest()
    model["weightsManifest"][0]["weights"][1]["shape"] = shape
    return {"package/model/model.json": json.dumps(model).encode()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"package/model/part2.bin": b"\0"}, "not a TensorFlow.js model"),
        ({"package/model/model.json": b"{"}, "not JSON"),
        (with_shape(-1), r"conv/bias has the shape \[-1\]"),
        (with_shape("3"), r"conv/bias has the shape"),
        (with_shape(2), "4 bytes belong to no array"),
        (with_shape(1 << 63), "not a TensorFlow.js model"),
        ({"package/model/model.json": b"{}"}, "not a TensorFlow.js model"),
        ({"package/model.json": b"{}"}, "holds 2 TensorFlow.js models$"),
        ({"package/model/model.json": json.dumps(manifest("int32")).encode()}, "not plain float32"),
        ({"package/model/model.json": json.dumps(manifest(quantization={})).encode()}, "not plain float32"),
    ],
)
def test_another_content_is_named(change, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        load_tfjs(write(tmp_path / "a.tgz", files(manifest()) | change))


def test_a_missing_file_and_a_damaged_archive_are_named(tmp_path):
    some = files(manifest())
    del some["package/model/part1.bin"]
    with pytest.raises(FormatError, match=r"not a TensorFlow\.js model"):
        load_tfjs(write(tmp_path / "a.tgz", some))
    (tmp_path / "b.tgz").write_bytes(b"no archive")
    with pytest.raises(FormatError, match="damaged archive"):
        load_tfjs(tmp_path / "b.tgz")
    whole = write(tmp_path / "c.tgz", files(manifest())).read_bytes()
    for damaged in (whole[:60], whole[:40] + bytes(20) + whole[60:]):
        (tmp_path / "c.tgz").write_bytes(damaged)
        with pytest.raises(FormatError, match="damaged archive"):
            load_tfjs(tmp_path / "c.tgz")
