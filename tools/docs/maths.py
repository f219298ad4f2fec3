"""Formulas as MathML, which browsers draw themselves, with a font that has what formulas need."""

import re
from html import unescape
from pathlib import Path
from typing import Any

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

THIN = '<mspace width="0.167em"/>'
FORMULA = re.compile(r"<math.*?</math>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")
# Where the name of a function (several letters) meets what it is applied to, or what is before it.
APPLIED = re.compile(r"(?<=[a-z]{2}</mi>)(?=<(?:mi|mn|msu[bp]|msubsup|mfrac|msqrt|mover)>)")
AFTER = re.compile(r"(?:(?<=</m[in]>)|(?<=</msu[bp]>))(?=<mi>[a-z]{2,}</mi>)")


def mathml(tex: str, display: str = "inline") -> str:
    """A formula in MathML.  Raises ValueError for a command that is not understood."""
    formula = convert(tex, display=display).replace(r"\_", "_")
    if "\\" in TAG.sub("", formula):
        raise ValueError(f"no MathML for {tex}")
    return AFTER.sub(THIN, APPLIED.sub(THIN, formula))


def visit_inline(translator: Any, node: Any) -> None:
    translator.body.append(f'<span class="math">{mathml(node.astext())}</span>')
    raise SkipNode


def visit_block(translator: Any, node: Any) -> None:
    translator.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>')
    raise SkipNode


def write_font(site: Path) -> None:
    """STIX Two Math, by the SIL Open Font License, cut down to the characters of the site's formulas."""
    import ziamath
    from fontTools import subset

    characters: set[str] = set("0123456789()[]{}|")
    for page in site.rglob("*.html"):
        for formula in FORMULA.findall(page.read_text(encoding="utf-8")):
            characters.update(unescape(TAG.sub("", formula)))
    # Letters that MathML draws in italics are characters of their own.
    characters.update(chr(code) for code in (*range(0x1D434, 0x1D468), *range(0x1D6FC, 0x1D71C), 0x210E))
    options = subset.Options(flavor="woff", layout_features=["*"])
    font = subset.load_font(Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf", options)
    cut = subset.Subsetter(options)
    cut.populate(text="".join(sorted(characters)))
    cut.subset(font)
    subset.save_font(font, site / "_static" / "stix-two-math.woff", options)
