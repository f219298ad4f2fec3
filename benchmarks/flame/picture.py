"""Samples as a flame picture: time runs to the right, and what calls lies above what is called."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.flame.sampler import PYTHON, Stack
from minicap.plots.figure import BLUE, GREEN, GREY, INK, ORANGE, SKY
from minicap.plots.page import TITLE, Box, Page, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PRODUCTS, TRANSFORMS, COPIES, ELEMENTS = "matrix products", "Winograd transforms", "copies", "entry by entry"
_COLORS = {PRODUCTS: BLUE, TRANSFORMS: SKY, COPIES: ORANGE, ELEMENTS: GREEN, PYTHON: GREY}
_FUNCTION, _LAYER, _PHASE = "#F1EFEA", "#DDE3E8", "#C3CCD4"
_COPYING = {"copy", "ascontiguousarray", "astype", "concatenate", "empty", "empty_like", "reshape", "zeros"}
_STRIPS = (("forward", "update"), ("backward",))
# In inches.
_WIDTH, _MARGIN, _TOP, _GAP, _SEAM = 14.0, 0.1, 0.8, 0.25, 0.007
_NARROWEST = 0.02  # what is narrower is left out
_ROWS = (0.25, 0.58, 0.25, 0.9, 0.5)  # heights: phase, layer, function, then names that may stand upright
_LETTERS = 7.5  # points


@dataclass
class Node:
    """A node of the tree: what is at work, how often it was seen, and what it calls."""

    name: str
    count: int = 0
    children: dict[str, "Node"] = field(default_factory=dict)

    def add(self, stack: Sequence[str], count: int) -> None:
        """Count a stack below this node."""
        self.count += count
        if stack:
            name, *rest = stack
            self.children.setdefault(name, Node(name)).add(rest, count)


def tree(counts: Mapping[Stack, int], layers: Sequence[str]) -> dict[str, Node]:
    """A tree for each phase, its layers in the order in which they come, what they call by size."""
    root = Node("")
    for stack, count in counts.items():
        root.add(stack, count)
    for name, phase in root.children.items():
        _by_size(phase)
        order = layers if name == "forward" else reversed(layers)
        known = {layer: phase.children.pop(layer) for layer in order if layer in phase.children}
        phase.children = known | phase.children
    return root.children


def kind_of(stack: Stack) -> str:
    """What sort of operation a stack ends in."""
    *_, caller, operation = "", *stack
    if operation in {"matmul", "dot"}:
        module, _, function = caller.partition(".")
        inside = module == "winograd" and function not in ("convolve", "gradients")
        return TRANSFORMS if inside else PRODUCTS
    if operation in _COPYING:
        return COPIES
    return PYTHON if operation == PYTHON else ELEMENTS


def shares(counts: Mapping[Stack, int]) -> dict[str, float]:
    """How much of the time each kind of operation takes."""
    kinds: Counter[str] = Counter()
    for stack, count in counts.items():
        kinds[kind_of(stack)] += count
    total = sum(kinds.values())
    return {kind: kinds[kind] / total for kind in _COLORS if kinds[kind]}


def draw_flame(counts: Mapping[Stack, int], seconds: float, layers: Sequence[str], title: str) -> "Figure":
    """The forward pass and the update in one strip, the backward pass in another, on one scale.

    seconds: of a step without being watched, which the samples share out.
    """
    phases = tree(counts, layers)
    strips = [[phases[name] for name in names if name in phases] for names in _STRIPS]
    strips = [strip for strip in strips if strip]
    longest = max(sum(phase.count for phase in strip) for strip in strips)
    scale = Scale((_WIDTH - 2 * _MARGIN) / longest, 1000 * seconds / sum(counts.values()))
    least = _NARROWEST / scale.inches
    heights = [sum(map(_height, range(max(_depth(phase, least) for phase in strip)))) for strip in strips]
    page = Page(_WIDTH, _TOP + sum(heights) + _GAP * len(strips))
    page.text(_MARGIN, 0.1, [title], TITLE, bold=True)
    _draw_legend(page, shares(counts))
    y = _TOP
    for strip, height in zip(strips, heights, strict=True):
        x = _MARGIN
        for phase in strip:
            _draw(page, phase, (phase.name,), x, y, scale)
            x += phase.count * scale.inches
        y += height + _GAP
    return page.figure


class Scale(NamedTuple):
    """Of one sample."""

    inches: float
    milliseconds: float


def _draw(page: Page, node: Node, stack: Stack, x: float, y: float, scale: Scale) -> None:
    """A node as a box, and all below it."""
    width, height = node.count * scale.inches, _height(len(stack) - 1)
    if width < _NARROWEST:
        return
    color = (_PHASE, _LAYER, _FUNCTION)[min(len(stack), 3) - 1] if node.children else _COLORS[kind_of(stack)]
    page.bar(Box(x + _SEAM, y + _SEAM, width - 2 * _SEAM, height - 2 * _SEAM), color)
    ink = "white" if color in (BLUE, GREEN, GREY) else INK
    along, across = (_fitting(node, stack, room, scale) for room in (width, height))
    is_upright = not along and width > 1.6 * _LETTERS / 72
    page.axes.text(
        x + width / 2,
        y + height / 2,
        across if is_upright else along,
        ha="center",
        va="center",
        rotation=90 if is_upright else 0,
        fontsize=_LETTERS,
        color=ink,
        parse_math=False,
    )
    for child in node.children.values():
        _draw(page, child, (*stack, child.name), x, y + height, scale)
        x += child.count * scale.inches


def _fitting(node: Node, stack: Stack, room: float, scale: Scale) -> str:
    """The longest of some labels that fits into so many inches; empty when none does."""
    time = f"{node.count * scale.milliseconds:.1f} ms"
    short = node.name.rpartition(".")[2]
    labels = [f"{node.name}  {time}", node.name, short] if len(stack) < 4 else [f"{short}  {time}", short]
    return next(
        (text for text in labels if wrap(text, room - 4 * _SEAM, _LETTERS) == [" ".join(text.split())]), ""
    )


def _draw_legend(page: Page, found: Mapping[str, float]) -> None:
    x = _MARGIN
    for kind, share in found.items():
        page.bar(Box(x, 0.5, 0.14, 0.14), _COLORS[kind])
        page.text(x + 0.2, 0.47, [f"{kind} {share:.0%}"], 9)
        x += 2.2


def _by_size(node: Node) -> None:
    ordered = sorted(node.children.values(), key=lambda child: -child.count)
    node.children = {child.name: child for child in ordered}
    for child in ordered:
        _by_size(child)


def _depth(node: Node, least: float) -> int:
    """Rows of the boxes that are drawn: those seen at least so often."""
    drawn = [child for child in node.children.values() if child.count >= least]
    return 1 + max((_depth(child, least) for child in drawn), default=0)


def _height(row: int) -> float:
    """Inches."""
    return _ROWS[min(row, len(_ROWS) - 1)]
