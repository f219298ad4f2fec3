"""What a notebook shows in place of text: tables and bars, as HTML."""

from collections.abc import Container, Sequence
from html import escape

BAR = "minicap-progress"  # the class by which others know a bar
_WRONG = "color: #D55E00; font-weight: bold"  # vermilion reads well on white and on black


def table(
    rows: Sequence[Sequence[str]],
    right: Container[str] = (),
    wrong: Container[int] = (),
    total: bool = False,
    below: Sequence[str] = (),
) -> str:
    """Rows of text as a table.

    rows: the headings first.  right: headings of the columns that are aligned right, as numbers are.
    wrong: numbers of the rows whose last cell says what is wrong, counted from the headings, which are 0.
    total: whether the last row is the sum of the others.  below: lines under the table.
    """
    headings, *body = rows
    aligned = ["right" if heading in right else "left" for heading in headings]

    def row(number: int, cells: Sequence[str]) -> str:
        styles = [f"text-align: {align}" for align in aligned]
        if total and number == len(body):
            styles = [f"{style}; border-top: 1px solid; font-weight: bold" for style in styles]
        if number in wrong:
            styles[-1] += f"; {_WRONG}"
        tag = "td" if number else "th"
        inside = "".join(
            f'<{tag} style="{style}">{escape(cell)}</{tag}>'
            for style, cell in zip(styles, cells, strict=True)
        )
        return f"<tr>{inside}</tr>"

    lines = "\n".join(row(number, cells) for number, cells in enumerate(body, start=1))
    after = "".join(f"<div>{escape(line)}</div>" for line in below)
    return f"<table>\n<thead>{row(0, headings)}</thead>\n<tbody>\n{lines}\n</tbody></table>{after}"


def bar(label: str, facts: str, done: int, total: int | None) -> str:
    """How far long work has come; without a total there is only text."""
    shown = f'<progress value="{min(done, total)}" max="{total}"></progress> ' if total else ""
    share = f"{min(done / total, 1):.0%} " if total else ""
    return f'<div class="{BAR}">{escape(label)} {share}{shown}{escape(facts)}</div>'
