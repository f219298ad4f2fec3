"""One case, minicap against peers: start the workers, check that they agree, measure rounds, make rows."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.case import Case
from benchmarks.machine import machine, versions
from benchmarks.parity import disagreement
from benchmarks.peers import MINICAP, Peer
from benchmarks.process import WorkerFailed, WorkerProcess, worker_command, worker_environment
from benchmarks.quiet import QuietFilter
from benchmarks.rounds import Rounds, run_rounds


@dataclass(frozen=True)
class Settings:
    """How to measure.

    rounds: kept ones a case.  seconds: that a side runs in a round.  threads: of each side.
    accelerate: with minicap's faster pairs.  scratch: folder for what workers keep.
    """

    rounds: int
    seconds: float
    threads: int
    accelerate: bool
    scratch: str


def compare(
    case: Case,
    peers: Sequence[Peer],
    settings: Settings,
    quiet: QuietFilter,
    after_round: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """The rows of a case (see benchmarks.rows), one a peer that can do it.

    A peer that fails or computes something else gets a row without a ratio, whose note says why; so do all
    when minicap fails.
    """
    peers = [peer for peer in peers if peer.name in case.peers]
    notes: dict[str, str] = {}
    prepared: dict[str, dict[str, Any]] = {}
    rounds = None
    quiet.start_case()
    with ExitStack() as stack:
        sides: dict[str, WorkerProcess] = {}
        answers: dict[str, dict[str, Any]] = {}
        for name in (MINICAP, *(peer.name for peer in peers)):
            command = worker_command(name, case.name, settings.threads, settings.accelerate)
            environment = worker_environment(settings.threads, settings.scratch)
            worker = stack.enter_context(WorkerProcess(command, environment))
            quiet.wait()  # minicap looks for its fastest ways now
            try:
                prepared[name], answers[name] = worker.prepare(), worker.answer()
            except WorkerFailed as error:
                notes[name] = f"failed: {error}"
                worker.close()
                if name == MINICAP:
                    break
                continue
            if wrong := disagreement(answers[MINICAP], answers[name], case.tolerance):
                notes[name] = f"computes something else: {wrong}"
                worker.close()
            else:
                sides[name] = worker
        if MINICAP in sides and len(sides) > 1:
            try:
                rounds = run_rounds(sides, settings.rounds, quiet, settings.seconds, after_round)
            except WorkerFailed as error:
                notes |= dict.fromkeys(sides, f"failed while it was timed: {error}")
    return [
        make_row(case, peer, settings, prepared, rounds if peer.name in sides else None, quiet, notes)
        for peer in peers
    ]


def make_row(
    case: Case,
    peer: Peer,
    settings: Settings,
    prepared: dict[str, dict[str, Any]],
    rounds: Rounds | None,
    quiet: QuietFilter,
    notes: dict[str, str],
) -> dict[str, Any]:
    """A row of the table as JSON values; docs/benchmarks.md explains the keys."""
    row: dict[str, Any] = {"case": case.name, "peer": peer.name, "ratio": None, "spread": None}
    row |= {"seconds": None, "peer_seconds": None, "unit": case.unit or None}
    row |= {"per_second": None, "peer_per_second": None, "rounds": 0, "discarded": 0, "disturbed": 0}
    row["peak_mb"] = prepared.get(MINICAP, {}).get("peak_mb")
    row["peer_peak_mb"] = prepared.get(peer.name, {}).get("peak_mb")
    note = notes.get(MINICAP) or notes.get(peer.name) or ""
    if rounds is not None:
        row["ratio"], row["spread"] = rounds.ratio(MINICAP, peer.name)
        row["seconds"], row["peer_seconds"] = rounds.seconds(MINICAP), rounds.seconds(peer.name)
        if case.unit:
            row["per_second"] = case.items / row["seconds"]
            row["peer_per_second"] = case.items / row["peer_seconds"]
        row |= {"rounds": len(rounds.times), "discarded": rounds.discarded, "disturbed": rounds.disturbed}
        if rounds.disturbed:
            note = f"{rounds.disturbed} of {len(rounds.times)} rounds under load ({rounds.others:.1f} cores)"
        elif quiet.processor is None:
            note = "no quiet filter on this system"
    row |= {"note": note, "threads": settings.threads, "accelerated": settings.accelerate}
    return row | {"machine": machine(), "versions": versions(peer)}
