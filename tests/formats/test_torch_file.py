"""Files are written by hand, opcode by opcode, so that they need no PyTorch; the real ones come beside."""

import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from minicap.errors import FormatError, InputError
from minicap.formats.torch_file import load_torch


class Global:
    """A name in a pickle, whether or not there is such a thing here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    def __init__(self, function, *args):
        self.function, self.args = function, args


class Build:
    """A value, and the state that the pickle gives to it."""

    def __init__(self, value, state):
        self.value, self.state = value, state


class Script:
    """A module of TorchScript with its attributes."""

    def __init__(self, **attributes):
        self.attributes = attributes


class Stored:
    """A pointer to a storage."""

    def __init__(self, *pointer):
        self.pointer = pointer


def pickled(value):
    """The value as a pickle of protocol 2, the one that PyTorch writes."""

    def parts(value):
        match value:
            case Global():
                yield f"c{value.module}\n{value.name}\n".encode()
            case Call():
                yield from parts(value.function)
                yield from parts(value.args)
                yield b"R"
            case Build():
                yield from (*parts(value.value), *parts(value.state), b"b")
            case Script():
                yield from (*parts(Global("__torch__.net", "Module")), b")\x81")
                yield from (*parts(value.attributes), b"b")
            case Stored():
                yield from parts(value.pointer)
                yield b"Q"
            case tuple():
                yield b"("
                for entry in value:
                    yield from parts(entry)
                yield b"t"
            case dict():
                yield b"}"
                for key, entry in value.items():
                    yield from (*parts(key), *parts(entry), b"s")
            case list():
                yield b"]"
                for entry in value:
                    yield from (*parts(entry), b"a")
            case _:
                yield pickle.dumps(value, 2)[2:-1]

    return b"\x80\x02" + b"".join(parts(value)) + b"."


def tensor(key, count, size, stride, offset=0, kind="FloatStorage"):
    storage = Stored("storage", Global("torch", kind), key, "cpu", count)
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), storage, offset, size, stride, False, {})


NUMBERS = np.arange(12, dtype="<f4")
STATE = {
    "w": tensor("0", 12, (2, 3), (3, 1)),
    "transposed": tensor("0", 12, (3, 2), (1, 3), offset=6),
    "scalar": tensor("0", 12, (), (), offset=11),
    "empty": tensor("0", 12, (0, 3), (3, 1)),
}


def write_zip(path, value, storages, packing=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("model/data.pkl", pickled(value))
        for key, content in storages.items():
            archive.writestr(f"model/data/{key}", content)


def write_legacy(path, value, storages):
    pieces = [pickled(part) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, value)]
    pieces.append(pickled(list(storages)))
    for content in storages.values():
        pieces += [struct.pack("<q", len(content) // 4), content]
    path.write_bytes(b"".join(pieces))


WRITERS = pytest.mark.parametrize("write", [write_zip, write_legacy])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


@WRITERS
def test_tensors_are_views_of_their_storage(path, write):
    write(path, STATE, {"0": NUMBERS.tobytes()})
    found = load_torch(path)
    np.testing.assert_array_equal(found["w"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(found["transposed"], [[6, 9], [7, 10], [8, 11]])
    assert found["scalar"] == 11
    assert found["empty"].shape == (0, 3)
    assert all(array.flags.owndata for array in found.values())


@WRITERS
@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_checkpoint_is_looked_into(path, write, key):
    write(path, {"epoch": 3, key: STATE}, {"0": NUMBERS.tobytes()})
    assert list(load_torch(path)) == list(STATE)


def test_an_ordered_dict_and_parameters_are_built(path):
    parameter = Call(Global("torch._utils", "_rebuild_parameter"), STATE["w"], True, {})
    write_zip(path, [Call(Global("collections", "OrderedDict"))], {})
    with pytest.raises(FormatError, match="holds a list, not a state dict"):
        load_torch(path)
    write_zip(path, {"w": parameter}, {"0": NUMBERS.tobytes()})
    assert load_torch(path)["w"].shape == (2, 3)


def test_bfloat16_becomes_float32(path):
    upper_halves = (np.array([1.0, -2.5], "<f4").view("<u4") >> 16).astype("<u2")
    state = {"w": tensor("0", 2, (2,), (1,), kind="BFloat16Storage")}
    write_zip(path, state, {"0": upper_halves.tobytes()})
    assert load_torch(path)["w"].tolist() == [1.0, -2.5]


def test_tensors_of_torchscript_have_the_paths_of_their_modules(path):
    inner = Script(training=True, w=STATE["w"], stride=[1, 1])
    write_zip(path, Script(_is=None, last=STATE["scalar"], conv=inner), {"0": NUMBERS.tobytes()})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/code/net.py", "import os  # stays unread" * 9)
    assert {name: array.shape for name, array in load_torch(path).items()} == {"last": (), "conv.w": (2, 3)}


def test_a_script_of_pytorch_itself_is_read(path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 2), torch.nn.BatchNorm2d(4))
    torch.jit.save(torch.jit.script(net), path)
    found, expected = load_torch(path), net.state_dict()
    assert list(found) == list(expected)
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name].numpy())


def test_a_module_that_holds_itself_ends_in_a_message(path):
    holds_itself = Script(w=STATE["w"])
    content = pickled(holds_itself)
    # The module is kept as number 7 before its state is built, and is then an attribute of itself.
    content = content.replace(b")\x81}", b")\x81q\x07}").replace(b"b.", b"X\x02\x00\x00\x00meh\x07sb.")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", content)
        archive.writestr("model/data/0", NUMBERS.tobytes())
    with pytest.raises(FormatError, match="me is a module that stands in two places"):
        load_torch(path)


class Attack:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "attack",
    [
        Call(Global("os", "system"), "touch CAUGHT"),
        Call(Global("builtins", "eval"), "open('CAUGHT', 'w')"),
        Call(Global("builtins", "getattr"), "x", "join"),
        Call(Global("torch._utils", "_import_dotted_name"), "os.system"),
        Call(Global("torch.serialization", "load"), "/dev/zero"),
        Call(Global("collections", "OrderedDict.fromkeys"), "abc"),
    ],
    ids=lambda call: call.function.name,
)
@WRITERS
def test_what_could_run_code_is_refused(path, write, attack, monkeypatch):
    monkeypatch.chdir(path.parent)
    write(path, {"w": attack}, {})
    with pytest.raises(FormatError, match="refused, since it names"):
        load_torch(path)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "value",
    [
        Global("torch._utils", "_rebuild_tensor_v2"),
        Global("collections", "OrderedDict"),
        Global("_codecs", "encode"),
        Stored("storage", Global("torch", "FloatStorage"), "0", "cpu", 12),
        STATE["w"],
        {"w": 5},
    ],
    ids=["function", "class", "codec", "storage", "tensor", "dict"],
)
@pytest.mark.parametrize("state", [{"content": 5}, (None, {"content": 5, "__defaults__": ()})])
@WRITERS
def test_a_pickle_sets_no_attribute_of_ours(path, write, value, state):
    write(path, {"w": Build(value, state)}, {"0": NUMBERS.tobytes()})
    with pytest.raises(FormatError, match="not a valid pickle"):
        load_torch(path)


def test_attributes_of_a_state_dict_are_left_out(path):
    ordered = Build(Call(Global("collections", "OrderedDict")), {"_metadata": {}, "items": 5, "get": 6})
    write_zip(path, {"state_dict": ordered}, {})
    assert load_torch(path) == {}


@pytest.mark.parametrize(
    "huge",
    [
        tensor("0", 12, (1,), (1 << 70,)),
        tensor("0", 12, (0, 1 << 70), (1, 1)),
        tensor("0", 12, (1,) * 70, (1,) * 70),
        tensor("0", 1 << 62, (1,), (1,)),
    ],
    ids=["stride", "size", "axes", "count"],
)
@WRITERS
def test_numbers_beyond_all_reason_are_refused(path, write, huge):
    write(path, {"w": huge}, {"0": NUMBERS.tobytes()})
    with pytest.raises(FormatError, match=r"w cannot be an array|truncated|not as long as it says"):
        load_torch(path)


def test_a_legacy_file_that_claims_more_than_there_is_or_names_its_storages_oddly_is_refused(path):
    write_legacy(path, {"w": tensor("0", 1 << 62, (1,), (1,))}, {"0": b""})
    claimed = path.read_bytes()[:-8] + struct.pack("<q", 1 << 62)
    path.write_bytes(claimed)
    with pytest.raises(FormatError, match="truncated"):
        load_torch(path)
    parts = [pickled(part) for part in (0x1950A86A20F9469CFC6C, 1001, {}, {"w": STATE["w"]}, [["0"], 0])]
    path.write_bytes(b"".join(parts))
    with pytest.raises(FormatError, match="the numbers of a storage are missing"):
        load_torch(path)


@pytest.mark.parametrize(
    "bad",
    [
        tensor("0", 12, (13,), (1,)),
        tensor("0", 12, (2, 3), (11, 1)),
        tensor("0", 12, (1 << 40,), (0,)),  # one number, said a million million times
        tensor("0", 12, (2,), (1,), offset=11),
        tensor("0", 12, (2,), (1, 1)),
    ],
)
@WRITERS
def test_a_tensor_beyond_its_storage_is_refused(path, write, bad):
    write(path, {"w": bad}, {"0": NUMBERS.tobytes()})
    with pytest.raises(FormatError, match="w reaches beyond its storage of 12 numbers"):
        load_torch(path)


@pytest.mark.parametrize(
    "bad",
    [
        tensor("0", 12, (2,), (-1,)),
        tensor("0", 12, (2,), (1,), offset=-1),
        tensor("0", 12, [2], [1]),
        tensor("0", 12, ("2",), (1,)),
        Call(Global("torch._utils", "_rebuild_tensor_v2"), "storage", 0, (1,), (1,)),
    ],
)
def test_a_tensor_that_pytorch_would_not_write_is_refused(path, bad):
    write_zip(path, {"w": bad}, {"0": NUMBERS.tobytes()})
    with pytest.raises(FormatError, match="described in a way that PyTorch does not use"):
        load_torch(path)


def test_what_is_no_state_dict_is_named(path):
    write_zip(path, {"w": 5}, {})
    with pytest.raises(FormatError, match=r"'w' is not a tensor; save model\.state_dict\(\) alone"):
        load_torch(path)


@WRITERS
def test_missing_and_truncated_numbers_are_named(path, write):
    write(path, STATE, {})
    with pytest.raises(FormatError, match="are missing"):
        load_torch(path)
    write(path, STATE, {"0": NUMBERS[:-1].tobytes()})
    with pytest.raises(FormatError, match=r"truncated|another length"):
        load_torch(path)


def test_packed_entries_are_refused_before_they_are_unpacked(path):
    write_zip(path, STATE, {"0": bytes(1 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(FormatError, match="its entries are compressed"):
        load_torch(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02K\x01.", b"hello", b"\x80\x02" * 50])
def test_other_files_are_named(path, content):
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"model\.pth"):
        load_torch(path)


@WRITERS
def test_a_file_cut_anywhere_is_named(path, write):
    write(path, STATE, {"0": NUMBERS.tobytes()})
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            load_torch(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(InputError, match=r"cannot read .*model\.pth: No such file"):
        load_torch(path)
    with pytest.raises(InputError, match=r"cannot read .*null"):
        load_torch("a\0b")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_files_of_pytorch_itself_are_read_bit_for_bit(path, zipped):
    torch = pytest.importorskip("torch")
    dtypes = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8)
    base = torch.arange(24).reshape(2, 3, 4)
    state = {str(dtype): base.to(dtype).transpose(0, 2) for dtype in dtypes}
    state["parameter"] = torch.nn.Parameter(torch.ones(3)[1:])
    state |= torch.nn.BatchNorm1d(3).state_dict()
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    found = load_torch(path)
    assert list(found) == list(state)
    for name, value in state.items():
        value = value.detach()
        expected = value.float() if value.dtype == torch.bfloat16 else value
        assert found[name].dtype == expected.numpy().dtype
        np.testing.assert_array_equal(found[name], expected.numpy())
