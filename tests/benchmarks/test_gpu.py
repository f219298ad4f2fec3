"""Benchmarks on a GPU, as far as a machine without one can tell: the work, the order, the floor, the rows."""

import importlib
import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from gpu.stand_in import stand_in

from benchmarks import command, gpu
from benchmarks.case import Case
from benchmarks.cases import gpu_cases
from benchmarks.cases.captions import CaptionStep
from benchmarks.cases.gpu import COPY, PRODUCT, Copy, Loss, Pass, Product, Update, network_costs
from benchmarks.cases.networks import Network, vgg16
from benchmarks.cases.recurrent import RecurrentLayer
from benchmarks.devices import CupyDevice, TorchDevice
from benchmarks.floor import Ceilings, Cost
from benchmarks.parity import disagreement, sketch
from benchmarks.peers import PEERS
from benchmarks.places import CPU, GPU
from benchmarks.process import worker_environment
from benchmarks.torch_mode import Replayed
from benchmarks.worker import Worker
from minicap.arrays import register_backend, to_host, use_backend
from minicap.errors import BackendMissing
from minicap.nn import Affine, Conv2d, Dropout, MaxPool2d, ReLU, Sequential


def small(image, classes):
    """For images (3, 4, 4)."""
    conv = (Conv2d(3, 4, pad="same"), ReLU(), MaxPool2d(), Dropout(0.25))
    return Sequential(*conv, Affine(16, 8), ReLU(), Affine(8, classes))


SMALL = {
    "copy": Copy(10),
    "product": Product(6),
    "step": Network(small, 3, (3, 4, 4), 5),
    "scores": Network(small, 3, (3, 4, 4), 5, train=False),
    "captioner": CaptionStep(3, 6, 5, 13, T=3, F=7),
    "lstm": RecurrentLayer("lstm", 3, 5, 6, T=3),
    "relu": Pass("relu", (2, 3, 4, 6)),
    "max-pool": Pass("max-pool", (2, 3, 4, 6)),
    "softmax": Loss(2, 3, 11),
    "adam": Update((5, 7)),
}


@pytest.fixture
def stand_in_for_cupy(own_backends: None) -> Any:
    register_backend(stand_in())


@pytest.mark.parametrize("name", SMALL)
def test_a_case_runs_on_device_arrays_and_torch_computes_the_same(name, stand_in_for_cupy, monkeypatch):
    pytest.importorskip("torch", reason="the peer is not installed")
    monkeypatch.setattr(gpu, "TORCH_DEVICE", "cpu")
    work = SMALL[name]
    with use_backend("cupy"):
        task = GPU.set_up("minicap", work, threads=1)
        task.run()
        ours = {key: sketch(array.get()) for key, array in GPU.set_up("minicap", work, 1).answer().items()}
    task = GPU.set_up("torch", work, threads=1)
    task.run()
    answer = GPU.set_up("torch", work, 1).answer()
    to_host = TorchDevice(importlib.import_module("torch")).to_host
    theirs = {key: sketch(to_host(array)) for key, array in answer.items()}
    assert disagreement(ours, theirs, 1e-4) == ""
    assert set(ours) == set(theirs)


def test_dropout_keeps_as_many_as_torch_does(stand_in_for_cupy, monkeypatch):
    pytest.importorskip("torch", reason="the peer is not installed")
    monkeypatch.setattr(gpu, "TORCH_DEVICE", "cpu")
    work = Pass("dropout", (4, 8, 16, 16))
    with use_backend("cupy"):
        ours = float(to_host(GPU.set_up("minicap", work, 1).answer()["share kept"]))
    assert ours == pytest.approx(0.5, abs=0.03)
    assert float(GPU.set_up("torch", work, 1).answer()["share kept"]) == pytest.approx(ours, abs=0.05)


@pytest.mark.parametrize("case", gpu_cases().values(), ids=lambda case: case.name)
def test_a_case_has_a_side_for_each_of_its_peers(case):
    assert callable(case.work.minicap)
    assert callable(case.work.torch)
    assert set(case.peers) <= set(gpu.PEERS)
    assert bool(case.items) == bool(case.unit)
    assert bool(case.costs) == ("floor" in case.peers)


def test_vgg16_costs_what_its_paper_says():
    scores = network_costs(Network(vgg16, 1, (3, 224, 224), 1000, train=False))
    assert sum(cost.flops for cost in scores) == pytest.approx(30.9e9, rel=0.01)
    assert min(cost.bytes for cost in scores) > 0
    step = network_costs(Network(vgg16, 1, (3, 224, 224), 1000))
    first = 2 * 224 * 224 * 64 * 27
    assert sum(cost.flops for cost in step) == pytest.approx(3 * 30.9e9 - first, rel=0.01)
    assert step[-1].bytes == pytest.approx(5 * 4 * 138e6, rel=0.01)  # Nesterov's rule


def test_the_floor_adds_up_the_longer_time_of_every_part():
    ceilings = Ceilings(flops_per_second=100, bytes_per_second=10)
    assert ceilings.floor([Cost(200, 10), Cost(100, 40)]) == 2 + 4


def row(case: str, peer: str, per_second: float | None, peer_per_second: float | None) -> dict[str, Any]:
    return dict(case=case, peer=peer, per_second=per_second, peer_per_second=peer_per_second)


def test_the_ceilings_are_the_best_rates_of_the_same_run():
    case = Case("c", "", None, costs=(Cost(6e12, 1e9),))
    rows = [row(COPY, "torch", 1000.0, 2000.0), row(PRODUCT, "torch", 3000.0, 2000.0)]
    assert command.floors(case, rows) == {"floor": 2.0}
    rows.append(row(PRODUCT, "torch-tf32", 1000.0, 30_000.0))
    assert command.floors(case, rows) == {"floor": 2.0, "floor-tf32": pytest.approx(0.2)}
    assert command.floors(case, rows[1:]) == {}
    assert command.floors(case, [row(COPY, "torch", None, None), *rows[1:]]) == {}


def test_ceilings_come_first_and_what_compiles_comes_last():
    cases = [gpu_cases()[name] for name in ("layer/lstm", "step/cnn2")]
    peers = [gpu.PEERS[name] for name in ("torch-compile", "torch", "floor")]
    order = [(case.name, [peer.name for peer in some]) for case, some in command.in_order(GPU, cases, peers)]
    assert order == [
        (COPY, ["torch"]),
        (PRODUCT, ["torch", "torch-tf32"]),
        ("layer/lstm", ["torch", "floor"]),
        ("step/cnn2", ["torch", "floor"]),
        ("step/cnn2", ["torch-compile"]),
    ]
    on_the_cpu = command.in_order(CPU, cases, [PEERS["torch"]])
    assert [case.name for case, _ in on_the_cpu] == ["layer/lstm", "step/cnn2"]


def test_ceilings_are_measured_where_a_floor_is_asked_for():
    cases, floor, torch = [gpu_cases()["layer/lstm"]], gpu.PEERS["floor"], gpu.PEERS["torch"]
    assert [case.name for case, _ in command.in_order(GPU, cases, [torch])] == ["layer/lstm"]
    order = [
        (case.name, [peer.name for peer in some]) for case, some in command.in_order(GPU, cases, [floor])
    ]
    assert order == [(COPY, ["torch"]), (PRODUCT, ["torch", "torch-tf32"]), ("layer/lstm", ["floor"])]


def test_only_the_sides_in_tf32_let_cublas_round(monkeypatch):
    monkeypatch.setenv("CUPY_TF32", "1")
    assert worker_environment(1, "", "minicap")["CUPY_TF32"] == "0"
    assert worker_environment(1, "", gpu.TF32)["CUPY_TF32"] == "1"
    assert {peer.name for peer in gpu.PEERS.values() if peer.ours == gpu.TF32} == {
        *("torch-tf32", "torch-graph-tf32", "floor-tf32")
    }


class Event:
    """An event of a device whose clock stands at `now` milliseconds."""

    now = 0.0

    def __init__(self, enable_timing: bool = True) -> None:
        assert enable_timing
        self.at = None

    def record(self) -> None:
        self.at = Event.now

    def synchronize(self) -> None:
        assert self.at is not None

    def elapsed_time(self, end: "Event") -> float:
        return end.at - self.at


def fake_cupy() -> Any:
    pool = SimpleNamespace(free_all_blocks=lambda: None, total_bytes=lambda: 5_000_000)
    cuda = SimpleNamespace(Event=Event, get_elapsed_time=Event.elapsed_time)
    return SimpleNamespace(cuda=cuda, get_default_memory_pool=lambda: pool)


def fake_torch() -> Any:
    memory = dict(empty_cache=lambda: None, reset_peak_memory_stats=lambda: None)
    cuda = SimpleNamespace(Event=Event, max_memory_reserved=lambda: 5_000_000, **memory)
    return SimpleNamespace(cuda=cuda, Tensor=SimpleNamespace)


@pytest.mark.parametrize("device", [CupyDevice(fake_cupy()), TorchDevice(fake_torch())])
def test_time_on_a_device_is_the_median_of_twenty_runs_between_events(device):
    runs = 0

    def run() -> None:
        nonlocal runs
        runs += 1
        Event.now += 2 if runs % 3 else 50

    worker = Worker(lambda: SimpleNamespace(run=run), device)
    worker.set_up()
    assert worker.prepare()["peak_mb"] == 0
    runs = 0
    assert worker.time(seconds=0.001) == pytest.approx(0.002)
    assert runs == 20


def test_what_lies_on_the_device_is_fetched():
    tensor = SimpleNamespace(detach=lambda: SimpleNamespace(cpu=lambda: "fetched"))
    device = TorchDevice(fake_torch())
    assert device.to_host(tensor) == "fetched"
    assert device.to_host(3.0) == 3.0


def test_a_graph_is_recorded_once_after_three_runs_and_then_replayed(monkeypatch):
    torch = pytest.importorskip("torch", reason="the peer is not installed")
    log = []

    class Stream:
        def wait_stream(self, other):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    class Recording(Stream):
        def __init__(self, graph):
            log.append("record")

    for name, value in {
        "Stream": Stream,
        "current_stream": Stream,
        "stream": lambda stream: stream,
        "CUDAGraph": lambda: SimpleNamespace(replay=lambda: log.append("replay")),
        "graph": Recording,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    replayed = Replayed(lambda: log.append("run"))
    replayed()
    replayed()
    assert log == ["run"] * 3 + ["record", "run", "replay", "replay"]


def test_without_a_gpu_a_message_and_exit_code_two(capsys, own_backends, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert command.main(["--gpu"]) == 2
    needs = 'the cupy backend needs CuPy: pip install "minicap[gpu-cuda12]" (or gpu-cuda13, by your driver)'
    assert capsys.readouterr().err == f"benchmarks: {needs}\n"


def test_the_cases_are_listed_without_a_gpu(capsys):
    assert command.main(["--gpu", "--list"]) == 0
    out = capsys.readouterr().out
    assert "step/captioner" in out
    assert "torch-graph" in out


@pytest.fixture
def measured(monkeypatch):
    """Pretend to have a GPU and to measure; `behaviour` gets a case's name and the computed peers."""
    monkeypatch.setattr(command, "GPU", replace(GPU, describe=lambda: {"gpu": "none"}))
    monkeypatch.setattr(command, "installed", lambda peers: peers)

    def use(behaviour):
        def compare(case, peers, settings, quiet, after_round, computed):
            rates = behaviour(case.name, computed)
            return [
                row(case.name, peer.name, *rates)
                | dict(ratio=1.0, spread=(1.0, 1.0), seconds=1.0, peer_seconds=1.0, unit="GB", note="")
                | dict(peak_mb=None, peer_peak_mb=None, rounds=1, discarded=0)
                for peer in peers
            ]

        monkeypatch.setattr(command, "compare", compare)

    return use


def test_the_floor_is_known_as_soon_as_the_ceilings_are(measured, tmp_path, capsys):
    seen = {}

    def behaviour(name, computed):
        seen[name] = computed
        return 1000.0, 1000.0

    measured(behaviour)
    file = tmp_path / "rows.json"
    assert command.main(["--gpu", "step/cnn2", "--peers", "torch,floor", "--json", str(file)]) == 0
    assert seen[COPY] == seen[PRODUCT] == {}
    assert seen["step/cnn2"].keys() == {"floor", "floor-tf32"}
    rows = json.loads(file.read_text(encoding="utf-8"))
    assert [row["case"] for row in rows] == [COPY, PRODUCT, PRODUCT, "step/cnn2", "step/cnn2"]
    assert rows[-1]["peer"] == "floor"
    assert "step/cnn2  torch  1.00" in capsys.readouterr().err


def test_a_run_that_is_killed_has_written_what_it_measured(measured, tmp_path):
    file, found = tmp_path / "rows.json", []

    def behaviour(name, computed):
        if name == PRODUCT:
            found.extend(json.loads(file.read_text(encoding="utf-8")))
            raise KeyboardInterrupt
        return 1.0, 1.0

    measured(behaviour)
    assert command.main(["--gpu", "--json", str(file)]) == 130
    assert [row["case"] for row in found] == [COPY]


def test_after_the_limit_no_case_is_begun(measured, monkeypatch, capsys):
    now = iter([0, 1, 400])
    monkeypatch.setattr(command, "monotonic", lambda: next(now))
    measured(lambda name, computed: (1.0, 1.0))
    assert command.main(["--gpu", "layer", "step/cnn2", "--peers", "torch", "--limit", "300", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [row["ratio"] for row in rows] == [1.0, None]
    assert rows[-1]["note"] == "not measured: 300 s are over"
    assert rows[-1]["machine"]["gpu"] == "none"


def test_a_worker_without_a_gpu_says_so(own_backends, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendMissing), GPU.enter("minicap", 1, True):
        pass
