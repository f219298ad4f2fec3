"""The two places to measure in: the CPU, and a GPU."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

from benchmarks import gpu
from benchmarks.case import Case, Task
from benchmarks.cases import all_cases, gpu_cases
from benchmarks.devices import Device, Host
from benchmarks.peers import PEERS, Peer, as_asked, load, set_up


@dataclass(frozen=True)
class Place:
    """Where and what to measure, and how unless it is asked for otherwise.

    cases, peers: by name.  default_peers: as on the command line.  rounds: a case.  threads: of each side.
    patience: seconds that a case may wait for a quiet machine.  limit: seconds after which no case is begun.
    longest: seconds that an order to a worker may take.
    enter: makes a worker's process ready for a side.  describe: the device, for the rows; raises
    BackendMissing where there is none.
    at_once: whether the workers of a case may set up at the same time.
    """

    name: str
    cases: Callable[[], dict[str, Case]]
    peers: Mapping[str, Peer]
    default_peers: str
    rounds: int
    threads: int
    patience: float
    limit: float
    longest: float
    enter: Callable[[str, int, bool], AbstractContextManager[Device]]
    describe: Callable[[], dict[str, Any]]
    at_once: bool

    def set_up(self, side: str, work: Any, threads: int) -> Task:
        """The task of a side."""
        return set_up(side, work, threads, self.peers)


@contextmanager
def _enter_host(side: str, threads: int, accelerate: bool) -> Iterator[Device]:
    load(side, threads)  # before the first order, so that it is not counted as memory of the case
    with as_asked(accelerate):
        yield Host()


CPU = Place(
    name="cpu",
    cases=all_cases,
    peers=PEERS,
    default_peers="torch",
    rounds=7,
    threads=2,
    patience=60,
    limit=inf,
    longest=900,
    enter=_enter_host,
    describe=dict,
    at_once=False,
)
GPU = Place(
    name="gpu",
    cases=gpu_cases,
    peers=gpu.PEERS,
    default_peers="all",
    rounds=3,
    threads=1,
    patience=5,
    limit=270,
    longest=100,
    enter=gpu.enter,
    describe=gpu.describe,
    at_once=True,
)
PLACES = {place.name: place for place in (CPU, GPU)}
