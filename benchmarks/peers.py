"""Whom minicap is compared with."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from benchmarks.case import Task
from benchmarks.torch_mode import TorchMode
from minicap.arrays import textbook
from minicap.errors import InputError

MINICAP = "minicap"


@dataclass(frozen=True)
class Peer:
    """A side of the comparison.

    load: imports its package into this process and sets its number of threads.
    set_up: makes its task from a case's work; None where its time is computed, not measured.
    package: what must be installed.  ours: the side of minicap that it is compared with.
    leeway: how many times the case's tolerance its answer may differ.
    last: it takes long to start, so it is measured when the others are done.
    """

    name: str
    about: str
    set_up: Callable[[Any], Task] | None
    load: Callable[[int], None] = lambda threads: None
    package: str | None = None
    ours: str = MINICAP
    leeway: float = 1.0
    last: bool = False

    @property
    def missing(self) -> bool:
        return self.package is not None and importlib.util.find_spec(self.package) is None

    @property
    def version(self) -> str | None:
        """Of its package."""
        return metadata.version(self.package) if self.package and not self.missing else None


def _load_torch(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _load_dezero(threads: int) -> None:
    import numpy as np

    vars(np)["int"] = int  # DeZero 0.0.13 still needs the name that NumPy 1.24 removed
    importlib.import_module("dezero")


def _torch(name: str, about: str, mode: TorchMode) -> Peer:
    return Peer(name, about, lambda work: work.torch(mode), _load_torch, "torch")


PEERS = {
    peer.name: peer
    for peer in (
        _torch("torch", "PyTorch eager as it comes", TorchMode()),
        _torch(
            "torch-channels-last",
            "PyTorch with channels_last memory and the fused optimizer",
            TorchMode(channels_last=True, fused=True),
        ),
        _torch(
            "torch-compile",
            "torch.compile (inductor, needs a C++ compiler), channels_last memory and the fused optimizer",
            # On contiguous images PyTorch 2.13's compiled backward gives CNN2's convolutions gradients of 0.
            TorchMode(channels_last=True, fused=True, compiled=True),
        ),
        Peer("dezero", "DeZero (NumPy)", lambda work: work.dezero(), _load_dezero, "dezero"),
        Peer(
            "cs231n",
            "the fast layers of CS231n's assignments, in plain NumPy: the floor",
            lambda work: work.cs231n(),
        ),
    )
}
TORCH = ("torch", "torch-channels-last", "torch-compile")


def choose_peers(text: str, known: Mapping[str, Peer] = PEERS) -> list[Peer]:
    """The peers named in "torch,dezero", or every one for "all".  Raises InputError for an unknown name."""
    names: Sequence[str] = list(known) if text == "all" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise InputError(f"no peer is called {name!r}; there are {', '.join(known)} and all")
    return [known[name] for name in dict.fromkeys(names)]


def is_minicap(side: str) -> bool:
    """Whether a side is minicap, as it comes ("minicap") or in another mode ("minicap-tf32")."""
    return side.partition("-")[0] == MINICAP


def load(side: str, threads: int, known: Mapping[str, Peer] = PEERS) -> None:
    """Import what a side needs."""
    if not is_minicap(side):
        known[side].load(threads)


def set_up(side: str, work: Any, threads: int, known: Mapping[str, Peer] = PEERS) -> Task:
    """The task of a side: minicap's own, or a peer's."""
    if is_minicap(side):
        return work.minicap(threads)
    make = known[side].set_up
    assert make is not None, f"{side} is computed"
    return make(work)


def as_asked(accelerate: bool) -> AbstractContextManager[None]:
    """Where minicap runs: with its faster pairs, or as the textbook has it."""
    return nullcontext() if accelerate else textbook()
