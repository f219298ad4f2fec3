"""One case, minicap against peers: start the workers, check that they agree, measure rounds, make rows."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.case import Case
from benchmarks.machine import machine, versions
from benchmarks.parity import disagreement
from benchmarks.peers import Peer
from benchmarks.process import WorkerFailed, WorkerProcess, worker_command, worker_environment
from benchmarks.quiet import QuietFilter
from benchmarks.rounds import Rounds, run_rounds


@dataclass(frozen=True)
class Settings:
    """How to measure.

    rounds: kept ones a case.  seconds: that a side runs in a round.  threads: of each side.
    accelerate: with minicap's faster pairs.  scratch: folder for what workers keep.  place: see
    benchmarks.places.  at_once: whether workers may set up at the same time.
    longest: seconds that an order to a worker may take.  device: what the rows say of it.
    """

    rounds: int
    seconds: float
    threads: int
    accelerate: bool
    scratch: str
    place: str = "cpu"
    at_once: bool = False
    longest: float = 900
    device: Mapping[str, Any] = field(default_factory=dict)


def compare(
    case: Case,
    peers: Sequence[Peer],
    settings: Settings,
    quiet: QuietFilter,
    after_round: Callable[[], None] = lambda: None,
    computed: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """The rows of a case (see make_row), one a peer that can do it.

    computed: seconds of the peers that are not measured, where they are known.
    A peer that fails or computes something else gets a row without a ratio, whose note says why; so do all
    when minicap fails.
    """
    peers = [peer for peer in peers if peer.name in case.peers]
    against = {peer.name: peer.ours for peer in peers if peer.set_up is not None}
    computed = {peer.name: computed[peer.name] for peer in peers if computed and peer.name in computed}
    notes: dict[str, str] = {}
    rounds = None
    quiet.start_case()
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(max_workers=len(peers) + 2))
        workers: dict[str, WorkerProcess] = {}
        for name in dict.fromkeys([*(peer.ours for peer in peers), *against]):
            command = worker_command(settings.place, name, case.name, settings.threads, settings.accelerate)
            environment = worker_environment(settings.threads, settings.scratch, name)
            workers[name] = stack.enter_context(WorkerProcess(command, environment, settings.longest))

        def drop(name: str, why: str) -> None:
            notes[name] = why
            workers.pop(name).close()
            for peer, ours in against.items():
                if ours == name and peer in workers:
                    workers.pop(peer).close()

        def order(what: str, at_once: bool) -> dict[str, Any]:
            """What every worker replies; one that fails is dropped, and so are those compared with it."""
            calls = {name: getattr(worker, what) for name, worker in workers.items()}
            if at_once:
                calls = {name: threads.submit(call).result for name, call in calls.items()}
            replies = {}
            for name, call in calls.items():
                try:
                    if name in workers:
                        replies[name] = call()
                except WorkerFailed as error:
                    drop(name, f"failed: {error}")
            return replies

        order("set_up", settings.at_once)
        quiet.wait()  # minicap looks for its fastest ways now
        prepared = order("prepare", at_once=False)
        answers = order("answer", settings.at_once)
        for peer in peers:
            if peer.name in workers:
                ours, theirs = answers[peer.ours], answers[peer.name]
                if wrong := disagreement(ours, theirs, peer.leeway * case.tolerance):
                    drop(peer.name, f"computes something else: {wrong}")
        if workers and (computed or any(name in workers for name in against)):
            try:
                rounds = run_rounds(workers, settings.rounds, quiet, settings.seconds, after_round)
            except WorkerFailed as error:
                notes |= dict.fromkeys(workers, f"failed while it was timed: {error}")
        measured = {*workers, *computed} if rounds else set()
    for times in rounds.times if rounds else ():
        times |= computed
    return [
        make_row(
            case,
            peer,
            settings,
            prepared,
            rounds if {peer.name, peer.ours} <= measured else None,
            quiet,
            notes,
        )
        for peer in peers
    ]


def unmeasured(
    case: Case, peers: Sequence[Peer], settings: Settings, quiet: QuietFilter, why: str
) -> list[dict[str, Any]]:
    """The rows of a case that is not begun."""
    return [
        make_row(case, peer, settings, {}, None, quiet, {peer.name: why})
        for peer in peers
        if peer.name in case.peers
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
    row["peak_mb"] = prepared.get(peer.ours, {}).get("peak_mb")
    row["peer_peak_mb"] = prepared.get(peer.name, {}).get("peak_mb")
    note = notes.get(peer.ours) or notes.get(peer.name) or ""
    if rounds is not None:
        row["ratio"], row["spread"] = rounds.ratio(peer.ours, peer.name)
        row["seconds"], row["peer_seconds"] = rounds.seconds(peer.ours), rounds.seconds(peer.name)
        if case.unit:
            row["per_second"] = case.items / row["seconds"]
            row["peer_per_second"] = case.items / row["peer_seconds"]
        row |= {"rounds": len(rounds.times), "discarded": rounds.discarded, "disturbed": rounds.disturbed}
        if rounds.disturbed:
            note = f"{rounds.disturbed} of {len(rounds.times)} rounds under load ({rounds.others:.1f} cores)"
        elif quiet.processor is None:
            note = "no quiet filter on this system"
    elif not note:
        note = "its ceilings were not measured"
    row |= {"note": note, "threads": settings.threads, "accelerated": settings.accelerate}
    return row | {"machine": {**machine(), **settings.device}, "versions": versions(peer)}
