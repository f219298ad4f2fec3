"""python -m benchmarks.roofline [CASE]"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.arguments import check_figure, check_writable, positive, watching_parser
from benchmarks.machine import machine
from benchmarks.markdown import lines_of
from benchmarks.quiet import QuietFilter, this_processor
from benchmarks.report import duration
from benchmarks.roofline.layers import Work, measure_layers
from benchmarks.roofline.picture import draw_roofline
from benchmarks.roofline.roof import Roof, measure_roof
from benchmarks.watch import TrainingStep, network_case
from minicap.errors import MinicapError
from minicap.formats import atomic_write_text
from minicap.plots import save_figure


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.  Exit code 2 for input that cannot be used."""
    parser = watching_parser(
        "python -m benchmarks.roofline",
        "How fast each layer of a training step is, against what the processor can do.",
        steps=30,
    )
    parser.add_argument("--threads", type=positive(int), default=2, help="shards of the batch (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers")
    args = parser.parse_args(argv)
    try:
        case = network_case(args.case)
        if args.figure:
            check_figure(args.figure)
        if args.json:
            check_writable(args.json)
        QuietFilter(this_processor(), args.patience).wait()
        roofs = [measure_roof(threads) for threads in sorted({1, args.threads})]
        works = measure_layers(TrainingStep(case.work, args.threads), args.steps)
        print(f"{case.name}: {case.about}\n\n{roofs_in_words(roofs)}\n\n{table(works, roofs[-1])}")
        if args.figure:
            title = f"{case.name}: each layer of a training step on {args.threads} threads"
            save_figure(draw_roofline(works, roofs, title), args.figure)
        if args.json:
            found = {"case": case.name, "roofs": list(map(asdict, roofs)), "layers": list(map(asdict, works))}
            atomic_write_text(args.json, json.dumps(found | {"machine": machine()}, indent=1) + "\n")
    except MinicapError as error:
        print(f"benchmarks.roofline: {error}", file=sys.stderr)
        return 2
    return 0


def roofs_in_words(roofs: Sequence[Roof]) -> str:
    """What the processor can do, a line for each number of threads."""
    return "\n".join(
        f"{roof.threads} thread{'s' * (roof.threads > 1)}: {roof.flops / 1e9:.0f} GF/s in float32 products, "
        f"{roof.bytes / 1e9:.1f} GB/s copied"
        for roof in roofs
    )


def table(works: Sequence[Work], roof: Roof) -> str:
    """A line for each layer, its forward and its backward side by side."""
    pairs = list(zip(works[::2], works[1::2], strict=True))
    lines = []
    for forward, backward in pairs:
        both = forward, backward
        saves = forward.multiplied < forward.flops
        lines.append(
            [
                f"{forward.layer} ({forward.algorithm})" if forward.algorithm else forward.layer,
                " / ".join(duration(work.seconds) for work in both),
                " / ".join(f"{work.rate / 1e9:.3g}" for work in both),
                " / ".join(f"{work.rate / roof.flops:.0%}" for work in both),
                " / ".join(f"{work.multiplied / work.seconds / 1e9:.0f}" for work in both) if saves else "",
                " / ".join(f"{work.intensity:.3g}" for work in both),
            ]
        )
    seconds, flops = sum(w.seconds for w in works), sum(w.flops for w in works)
    rate = flops / seconds
    lines.append(["all layers", duration(seconds), f"{rate / 1e9:.3g}", f"{rate / roof.flops:.0%}", "", ""])
    return lines_of(["layer", "time", "GF/s", "share of peak", "GF/s multiplied", "flops per byte"], lines)


if __name__ == "__main__":
    sys.exit(main())
