"""minicap on a GPU and its peers there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.case import Task
from benchmarks.devices import CupyDevice, Device, TorchDevice
from benchmarks.peers import MINICAP, Peer, as_asked, is_minicap
from benchmarks.torch_mode import TorchMode
from minicap.arrays import get_backend, use_backend

TF32 = f"{MINICAP}-tf32"
TORCH_DEVICE = "cuda"


def _load(tf32: bool) -> Any:
    def load(threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True  # every size is met again and again

    return load


def _torch(name: str, about: str, mode: TorchMode, tf32: bool = False, last: bool = False) -> Peer:
    def set_up(work: Any) -> Task:
        import torch

        with torch.device(TORCH_DEVICE):
            return work.torch(mode)

    ours, leeway = (TF32, 10.0) if tf32 else (MINICAP, 1.0)
    return Peer(name, about, set_up, _load(tf32), "torch", ours, leeway, last)


PEERS = {
    peer.name: peer
    for peer in (
        _torch("torch", "PyTorch eager in float32, cuDNN's fastest algorithms", TorchMode()),
        _torch("torch-tf32", "the same, products rounded to TF32 on both sides", TorchMode(), tf32=True),
        _torch("torch-graph", "PyTorch in float32, the run replayed as a CUDA graph", TorchMode(graph=True)),
        _torch("torch-graph-tf32", "the same, rounded to TF32", TorchMode(graph=True), tf32=True),
        Peer("floor", "the least time by the measured ceilings of memory and of products in float32", None),
        Peer("floor-tf32", "the same, of products in TF32", None, ours=TF32),
        _torch(
            "torch-compile",
            "torch.compile (inductor, needs Triton) in float32 and the fused optimizer",
            TorchMode(compiled=True, fused=True),
            last=True,
        ),
    )
}


@contextmanager
def enter(side: str, threads: int, accelerate: bool) -> Iterator[Device]:
    """Get ready to work on the GPU.  Raises BackendMissing where minicap has none."""
    if is_minicap(side):
        with use_backend("cupy") as backend, as_asked(accelerate):
            yield CupyDevice(backend.xp)
        return
    PEERS[side].load(threads)
    import torch

    yield TorchDevice(torch)


def describe() -> dict[str, Any]:
    """The device, and the CUDA that CuPy uses on it.  Raises BackendMissing where there is none."""
    runtime = get_backend("cupy").xp.cuda.runtime
    properties = runtime.getDeviceProperties(0)
    return {
        "gpu": properties["name"].decode(),
        "gpu_memory_gb": round(properties["totalGlobalMem"] / 1e9, 1),
        "cuda": runtime.runtimeGetVersion(),
        "driver_cuda": runtime.driverGetVersion(),
    }
