"""python -m benchmarks.flame [CASE]"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from time import perf_counter

from threadpoolctl import threadpool_limits

from benchmarks.arguments import check_figure, positive, watching_parser
from benchmarks.flame.picture import draw_flame, shares
from benchmarks.flame.sampler import Stack, sample
from benchmarks.quiet import QuietFilter, this_processor
from benchmarks.report import duration
from benchmarks.watch import TrainingStep, layers_of, network_case
from minicap.errors import InputError, MinicapError
from minicap.plots import save_figure


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.  Exit code 2 for input that cannot be used."""
    parser = watching_parser(
        "python -m benchmarks.flame",
        "Where the time of a training step goes: one shard of a batch on one thread.",
        steps=300,
    )
    parser.add_argument(
        "--shards", type=positive(int), default=2, help="of the batch, of which one runs (default: 2)"
    )
    args = parser.parse_args(argv)
    try:
        case = network_case(args.case)
        if args.figure:
            check_figure(args.figure)
        work = replace(case.work, N=max(1, case.work.N // args.shards))
        step = TrainingStep(work, shards=1)
        QuietFilter(this_processor(), args.patience).wait()
        with threadpool_limits(1, user_api="blas"):  # as in a shard
            counts = sample(step, args.steps)
            seconds = _unwatched(step)
        if not counts:
            raise InputError("nothing was seen of so short a time; ask for more --steps")
        print(in_words(counts, seconds))
        if args.figure:
            title = f"{case.name}: a step of one shard, {work.N} images on one thread, {duration(seconds)}"
            names = [name for name, _ in layers_of(step.net)]
            save_figure(draw_flame(counts, seconds, names, title), args.figure)
    except MinicapError as error:
        print(f"benchmarks.flame: {error}", file=sys.stderr)
        return 2
    return 0


def in_words(counts: Counter[Stack], seconds: float) -> str:
    """The kinds of operations and the layers, by their time."""
    layers: Counter[str] = Counter()
    for stack, count in counts.items():
        layers[" ".join(reversed(stack[:2])) if len(stack) > 2 else stack[0]] += count
    total = sum(counts.values())
    lines = [f"{total} samples, {duration(seconds)} a step"]
    lines += [f"{share:6.1%}  {kind}" for kind, share in shares(counts).items()]
    lines += ["", *(f"{count / total:6.1%}  {layer}" for layer, count in layers.most_common(12))]
    return "\n".join(lines)


def _unwatched(step: TrainingStep, count: int = 30) -> float:
    """Seconds of a step when nobody looks."""
    times = []
    for _ in range(count):
        started = perf_counter()
        step.run()
        times.append(perf_counter() - started)
    return median(times)


if __name__ == "__main__":
    sys.exit(main())
