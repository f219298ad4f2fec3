from typing import Any

import numpy as np
import pytest

from minicap.arrays import Backend, to_device
from minicap.backend.gpu.launcher import Kernel, kernel_files, kernels_in, source_of
from minicap.errors import BackendMismatch, BackendMissing, DtypeError, InputError, ShapeError

RELU = Kernel("activations.cu", "relu_forward")
LOSS = Kernel("losses.cu", "softmax_loss")


@pytest.fixture
def arguments(gpu: Backend) -> dict[str, Any]:
    x = to_device(np.ones(6, np.float32))
    return dict(x=x, out=gpu.xp.empty_like(x), size=6)


def loss_arguments(**changed: Any) -> dict[str, Any]:
    x = to_device(np.zeros((2, 3), np.float32))
    arrays = dict(x=x, y=to_device(np.zeros(2, int)), losses=to_device(np.zeros(2, np.float32)), dx=x.copy())
    return arrays | dict(weight=None, total=None, scale=1.0, smoothing=0.0, rows=2, K=3) | changed


def test_the_parameter_list_in_the_source_is_what_the_launcher_reads():
    x, out, size = kernels_in("activations.cu")["relu_forward"].parameters
    assert (x.name, x.type, x.shape, x.optional) == ("x", "real", "size", False)
    assert (out.name, out.shape) == ("out", "size")
    assert (size.name, size.type, size.shape) == ("size", "int", None)
    weight = kernels_in("losses.cu")["softmax_loss"].parameters[2]
    assert weight.optional


@pytest.mark.parametrize("file", kernel_files())
def test_every_parameter_of_every_kernel_is_read(file: str):
    for name, signature in kernels_in(file).items():
        start = source_of(file).index(f"KERNEL {name}(") + len(f"KERNEL {name}(")
        text = source_of(file)[start:]
        without_comments = "\n".join(line.split("//")[0] for line in text[: text.index(") {")].splitlines())
        assert len(signature.parameters) == without_comments.count(",") + 1, name


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (dict(size=5), ShapeError, r"kernel relu_forward: x is \(6,\) but must hold \[size\] = 5 entries"),
        (dict(size=2**31), InputError, "size is 2147483648, which int cannot hold"),
        (dict(size=6.0), DtypeError, "size is a float but must be an int"),
        (dict(x=None), InputError, r"x is None but must be an array \[size\]"),
        (dict(extra=1), InputError, "missing or unknown argument extra"),
    ],
)
def test_what_a_kernel_cannot_read_is_refused_by_name(
    changed: dict[str, Any], error: type[Exception], message: str, arguments: dict[str, Any]
):
    with pytest.raises(error, match=message):
        RELU.threads(6, **(arguments | changed))


def test_another_dtype_is_refused(arguments: dict[str, Any]):
    with pytest.raises(DtypeError, match="kernel relu_forward: out is float64 but must be float32"):
        RELU.threads(6, **(arguments | dict(out=to_device(np.zeros(6)))))
    halves = {name: to_device(np.zeros(6, np.float16)) for name in ("x", "out")}
    with pytest.raises(DtypeError, match="float16 arrays; it reads float32 and float64"):
        RELU.threads(6, **(arguments | halves))


def test_memory_with_gaps_is_refused(arguments: dict[str, Any]):
    with pytest.raises(InputError, match="kernel relu_forward: x is not C-contiguous; copy it first"):
        RELU.threads(6, **(arguments | dict(x=to_device(np.ones(12, np.float32))[::2])))


def test_a_host_array_among_device_arrays_is_refused(arguments: dict[str, Any]):
    with pytest.raises(BackendMismatch, match="x is a NumPy array, out is a strict-cupy array"):
        RELU.threads(6, **(arguments | dict(x=np.ones(6, np.float32))))


def test_arrays_of_two_devices_are_refused(arguments: dict[str, Any], gpu: Backend, monkeypatch):
    second = arguments["out"]
    devices = property(lambda self: f"device {int(self is second)}")
    monkeypatch.setattr(gpu.array_type, "device", devices)
    with pytest.raises(BackendMismatch, match="x is on device 0 but out on device 1"):
        RELU.threads(6, **arguments)


def test_class_indices_of_either_width_are_read_as_they_are(gpu: Backend):
    LOSS.blocks(2, **loss_arguments(y=to_device(np.zeros(2, np.int32))))
    with pytest.raises(DtypeError, match="int16 arrays; it reads int64 and int32"):
        LOSS.blocks(2, **loss_arguments(y=to_device(np.zeros(2, np.int16))))
    with pytest.raises(DtypeError, match="float64 arrays; it reads int64 and int32"):
        LOSS.blocks(2, **loss_arguments(y=to_device(np.zeros(2))))


def test_a_class_that_is_none_gives_nan_and_reads_nothing_beyond(gpu: Backend):
    given = loss_arguments(y=to_device(np.array([1, 3])))
    LOSS.blocks(2, **given)
    losses = given["losses"].get()
    np.testing.assert_allclose(losses[0], np.log(3), rtol=1e-6)
    assert np.isnan(losses[1])


def test_nothing_is_launched_when_there_is_nothing_to_do(arguments: dict[str, Any]):
    RELU.threads(0, **arguments)
    assert np.isnan(arguments["out"].get()).all()


def test_a_compiler_that_does_not_load_is_named(arguments: dict[str, Any], gpu: Backend, monkeypatch):
    def fail(**_: Any) -> None:
        raise RuntimeError("CuPy failed to load libnvrtc.so.12")

    monkeypatch.setattr(gpu.xp, "RawModule", fail)
    with pytest.raises(BackendMissing, match=r"failed to load libnvrtc.*minicap\[gpu-cuda12\]"):
        RELU.threads(6, **arguments)
