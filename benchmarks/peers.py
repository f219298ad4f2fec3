"""Whom minicap is compared with."""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from benchmarks.case import Task
from benchmarks.torch_mode import TorchMode
from minicap.backend import textbook
from minicap.errors import InputError

MINICAP = "minicap"


@dataclass(frozen=True)
class Peer:
    """A side of the comparison.

    load: imports its package into this process and sets its number of threads.
    set_up: makes its task from a case's work.  package: what must be installed.
    """

    name: str
    about: str
    set_up: Callable[[Any], Task]
    load: Callable[[int], None] = lambda threads: None
    package: str | None = None

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
            "torch.compile (inductor, needs a C++ compiler) and the fused optimizer",
            TorchMode(compiled=True, fused=True),
        ),
        Peer("dezero", "DeZero (NumPy)", lambda work: work.dezero(), _load_dezero, "dezero"),
        Peer(
            "cs231n",
            "im2col layers in plain NumPy as in CS231n's assignments: the floor",
            lambda work: work.cs231n(),
        ),
    )
}
TORCH = ("torch", "torch-channels-last", "torch-compile")


def choose_peers(text: str) -> list[Peer]:
    """The peers named in "torch,dezero", or every one for "all".  Raises InputError for an unknown name."""
    names: Sequence[str] = list(PEERS) if text == "all" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in PEERS:
            raise InputError(f"no peer is called {name!r}; there are {', '.join(PEERS)} and all")
    return [PEERS[name] for name in dict.fromkeys(names)]


def load(side: str, threads: int) -> None:
    """Import what a side needs."""
    if side != MINICAP:
        PEERS[side].load(threads)


def set_up(side: str, work: Any, threads: int) -> Task:
    """The task of a side: minicap's own, or a peer's."""
    return work.minicap(threads) if side == MINICAP else PEERS[side].set_up(work)


def as_asked(accelerate: bool) -> AbstractContextManager[None]:
    """Where minicap runs: with its faster pairs, or as the textbook has it."""
    return nullcontext() if accelerate else textbook()
