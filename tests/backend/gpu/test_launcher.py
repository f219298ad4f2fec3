import errno
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import DEVICE, SECOND_DEVICE, CompileException
from strict_cupy import Device

from minicap.arrays import Backend, to_device
from minicap.backend.gpu.launcher import Kernel
from minicap.backend.gpu.sources import kernel_files, kernels_in, source_of
from minicap.errors import BackendMismatch, BackendMissing, DtypeError, InputError, ShapeError

RELU = Kernel("activations.cu", "relu_forward")
LOSS = Kernel("losses.cu", "softmax_loss")
MEETING = Kernel("sequences.cu", "rnn_sequence")


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


def test_arrays_of_two_devices_are_refused(arguments: dict[str, Any]):
    with Device(1):
        arguments["x"] = to_device(np.ones(6, np.float32))
    with pytest.raises(BackendMismatch, match=r"x is on .* 1> but out on .* 0>; .* `with cupy.cuda.Device"):
        RELU.threads(6, **arguments)


def test_a_kernel_runs_on_the_device_of_its_arrays(gpu: Backend):
    with Device(1):
        x = to_device(np.full(6, -1, np.float32))
        out = gpu.xp.empty_like(x)
    RELU.threads(6, x=x, out=out, size=6)  # the current device is the first again
    np.testing.assert_array_equal(out.get(), 0)


def test_the_device_of_the_array_is_asked_for_its_room(gpu: Backend, monkeypatch):
    monkeypatch.setattr(SECOND_DEVICE, "processors", 3)
    monkeypatch.setattr(SECOND_DEVICE, "shared_bytes", 99 << 10)
    with Device(1):
        second = to_device(np.zeros(1, np.float32))
    first = to_device(np.zeros(1, np.float32))
    assert MEETING.room_for(first, 90 << 10) == 2 * DEVICE.processors
    assert MEETING.room_for(second, 90 << 10) == 1 * 3


def test_more_blocks_than_run_at_the_same_time_are_refused_before_cupy_launches_fewer(gpu: Backend):
    N, T, H = 2, 3, 4
    shapes = dict(Wh=(H, H), b=(H,), h0=(N, H), prev_h=(N, T, H), out=(N, T, H))
    arrays = {name: to_device(np.zeros(shape, np.float32)) for name, shape in shapes.items()}
    arrays["barriers"] = to_device(np.zeros(256, np.int32))
    room = MEETING.room_for(arrays["Wh"], 0)
    with pytest.raises(InputError, match=rf"{room + 1} blocks that wait for each other, .* runs {room} at"):
        MEETING.blocks_together(room + 1, 0, **arrays, mask=None, relu=0, units=4, across=1, N=N, T=T, H=H)


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


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/home/me/.cupy"),
            r"kernel relu_forward: CuPy cannot keep compiled kernels \(.*No space left.*CUPY_CACHE_DIR",
        ),
        (
            CompileException("kern.cu(7): warning: nothing\nkern.cu(9): error: no such thing\nmore"),
            r"does not compile for this GPU: kern\.cu\(9\): error: no such thing; please tell us",
        ),
    ],
)
def test_what_keeps_a_kernel_from_being_compiled_is_named(
    error: Exception, message: str, arguments: dict[str, Any], gpu: Backend, monkeypatch
):
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(gpu.xp, "RawModule", fail)
    with pytest.raises(BackendMissing, match=message):
        RELU.threads(6, **arguments)


def test_a_driver_without_memory_for_a_kernel_is_no_missing_backend(
    arguments: dict[str, Any], gpu: Backend, monkeypatch
):
    def fail(**_: Any) -> None:
        raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory")

    monkeypatch.setattr(gpu.xp, "RawModule", fail)
    with pytest.raises(RuntimeError, match="CUDA_ERROR_OUT_OF_MEMORY"):
        RELU.threads(6, **arguments)
