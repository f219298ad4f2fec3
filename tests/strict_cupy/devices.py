"""Two devices, one of them the current one of each thread, as CuPy has it."""

from threading import local
from typing import Any

COUNT = 2
_thread = local()


class Device:
    """cupy.cuda.Device: inside a `with` block it is the current one."""

    def __init__(self, device: int | None = None) -> None:
        self.id = _stack()[-1] if device is None else int(device)
        if not 0 <= self.id < COUNT:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def __enter__(self) -> "Device":
        _stack().append(self.id)
        return self

    def __exit__(self, *_: Any) -> None:
        _stack().pop()

    def use(self) -> None:
        """Make it the current one of this thread."""
        _stack()[-1] = self.id


def _stack() -> list[int]:
    if not hasattr(_thread, "stack"):
        _thread.stack = [0]
    return _thread.stack


def current_device() -> Device:
    """The device that this thread makes new arrays on."""
    return Device()
