"""The runs of a sweep, several at a time, each in its own folder and only once."""

import json
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple

from minicap.arrays import get_backend, use_backend
from minicap.arrays.backends import current_backend
from minicap.backend.host import blas, core_count
from minicap.errors import FormatError, InputError, MinicapError, TrainingError
from minicap.formats import atomic_write_text, from_mapping, read_json
from minicap.formats.documents import json_type
from minicap.progress import Progress, quiet
from minicap.training.fingerprint import changes
from minicap.training.lock import folder_lock
from minicap.training.run import RunFolder, is_step
from minicap.training.sweep.plan import PlannedRun
from minicap.training.trainer import Trainer

MakeTrainer = Callable[[Any, RunFolder], Trainer]

_MOST_PROCESSES = 61 if sys.platform == "win32" else 1024  # a limit of Windows
_LOOK_EVERY = 1.0  # seconds between two checks of the runs' progress


@dataclass(frozen=True)
class Result:
    """The result of one run.

    monitor: the value that was watched.  falls: whether low values of it are good.
    value: the best, in epoch `epoch`.  seconds: of training.  error: why the run has no such result.
    """

    monitor: str = ""
    falls: bool = False
    value: float | None = None
    epoch: int = 0
    seconds: float = 0.0
    error: str = ""


class Outcome(NamedTuple):
    """A run of a sweep and its result."""

    run: PlannedRun
    result: Result


def sweep(
    runs: Sequence[PlannedRun],
    make: MakeTrainer,
    folder: Path,
    executor: Executor | None = None,
    jobs: int = 0,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Train every run that has not been trained yet; all outcomes, in the order of the runs.

    make: gives the trainer for a run's settings and folder, as minicap.classification.run.open_trainer does.
    executor: of concurrent.futures; by default, processes on this machine.
    jobs: how many runs at a time, which share the cores; 0 for one per core.
    tell: called with the outcome of each run as soon as it is known.
    A run that fails has an outcome with its error, and is tried again when the sweep is repeated.  A run that
    was interrupted continues where it stopped.
    Raises InputError for a folder that is in use or holds other runs, TrainingError when a process dies.
    """
    _make(folder)
    with folder_lock(folder):
        _keep_plan(folder, runs)
        found = finished_runs(folder, runs)
        todo = [run for run in runs if run.name not in found]
        jobs = min(jobs or core_count(), max(1, len(todo)), _MOST_PROCESSES)
        with _workers(executor, jobs) as workers:
            for run, result in _trained(todo, make, folder, workers, jobs):
                found[run.name] = result
                tell(Outcome(run, result))
    return [Outcome(run, found[run.name]) for run in runs]


def _trained(
    todo: Sequence[PlannedRun], make: MakeTrainer, folder: Path, workers: Executor, jobs: int
) -> Iterator[tuple[PlannedRun, Result]]:
    """The results of the runs as they finish; `jobs` runs are under way at any time."""
    cores, backend = max(1, core_count() // jobs), current_backend().name
    total, done = sum(run.config.training.epochs for run in todo), 0
    waiting, running = list(reversed(todo)), dict[Future[Result], PlannedRun]()
    while waiting or running:
        # No more are handed out than can run, so that after an interrupt nothing is left to start.
        while waiting and len(running) < jobs:
            run = waiting.pop()
            running[workers.submit(train_one, make, run.config, folder / run.name, cores, backend)] = run
        with Progress(total, f"{len(running)} runs", "epoch", leave=False) as progress:
            ready: set[Future[Result]] = set()
            while not ready:
                progress.reach(done + sum(_epochs_in(folder / run.name) for run in running.values()))
                ready, _ = wait(running, _LOOK_EVERY, FIRST_COMPLETED)
        for future in ready:
            run = running.pop(future)
            done += run.config.training.epochs
            try:
                yield run, future.result()
            except BrokenExecutor:
                raise TrainingError(
                    f"a process died in the midst of {run.name}, perhaps for want of memory; what is "
                    "finished is kept, and the same command with fewer --jobs goes on"
                ) from None


def train_one(make: MakeTrainer, config: Any, folder: Path, cores: int, backend: str) -> Result:
    """Train one run to its end, in whichever process this is; an error becomes part of the result."""
    try:
        run = RunFolder(folder)
        own_process = parent_process() is not None  # the threads of one process share its BLAS
        threads = blas().limit(limits=cores) if own_process else nullcontext()
        with quiet(), use_backend(get_backend(backend).name), run.locked(), threads:
            trainer = make(config, run)
            if run.holds_a_run:
                trainer.resume()
            else:
                trainer.position.cores = cores
                run.write_config(config.to_toml())
            trainer.fit()
            result = _result_of(trainer)
            atomic_write_text(folder / "result.json", json.dumps(asdict(result)))
    except MinicapError as error:
        return Result(error=str(error))
    except Exception as error:
        atomic_write_text(folder / "error.txt", traceback.format_exc())
        return Result(error=f"{type(error).__name__}: {error} (see {folder / 'error.txt'})")
    return result


def _result_of(trainer: Trainer) -> Result:
    """The best epoch, by the trainer's monitor."""
    monitor, epochs = trainer.monitor, [r for r in trainer.run.metrics() if not is_step(r)]
    best = min(epochs, key=lambda r: monitor.rank(r[monitor.name], r.get("validation_loss", r["train_loss"])))
    value, seconds = best[monitor.name], trainer.position.seconds
    return Result(monitor.name, monitor.falls, value, best["epoch"], round(seconds, 3))


def finished_runs(folder: Path, runs: Sequence[PlannedRun]) -> dict[str, Result]:
    """The results of the runs that are finished, by name.  Raises FormatError for a damaged one."""
    files = {run.name: folder / run.name / "result.json" for run in runs}
    return {
        name: from_mapping(Result, _object_in(path), str(path))
        for name, path in files.items()
        if path.exists()
    }


def runs_in(folder: Path) -> dict[str, dict[Path, Result]]:
    """The folders and results of a sweep's finished runs, by the names of their cells.

    Raises InputError for a folder without a finished run, FormatError for a damaged one.
    """
    found: dict[str, dict[Path, Result]] = {}
    for name in _object_in(folder / "sweep.json"):
        if (path := folder / name / "result.json").exists():
            of_cell = found.setdefault(name.rpartition("-seed")[0], {})
            of_cell[path.parent] = from_mapping(Result, _object_in(path), str(path))
    if not found:
        raise InputError(f"{folder} holds a sweep of which no run is finished")
    return found


def _epochs_in(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b'"train_loss"') if path.exists() else 0


def _keep_plan(folder: Path, runs: Sequence[PlannedRun]) -> None:
    """Record what the runs are; there may be more than before, but none may have changed."""
    path = folder / "sweep.json"
    plan = {run.name: run.fingerprint for run in runs}
    before = _object_in(path) if path.exists() else {}
    for name, settings in before.items():
        if differences := changes(settings, plan.get(name, {})):
            what = "; ".join(differences) if name in plan else "this sweep has no such run"
            raise InputError(
                f"{folder} holds another sweep with a run {name}: {what}. Undo that, or choose another folder"
            )
    atomic_write_text(path, json.dumps(plan, indent=1))


def _object_in(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise FormatError(f"{path} is damaged: it holds {json_type(value)} in place of an object")
    return value


@contextmanager
def _workers(executor: Executor | None, jobs: int) -> Iterator[Executor]:
    if executor:
        yield executor
        return
    # Spawned: a forked process would inherit the locks of threads that it does not have.
    own = ProcessPoolExecutor(jobs, get_context("spawn"))
    try:
        yield own
    finally:
        own.shutdown(cancel_futures=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror or error}") from None
