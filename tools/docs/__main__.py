"""Build the documentation site:  python -m tools.docs [--to FOLDER]

Needs pip install -e ".[docs]".  Exit code 1 for anything Sphinx warns of, a link that leads nowhere, or a
file that a page would load from another host.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tools.bare import ROOT


def build(site: Path) -> list[str]:
    """Build the site into a folder, which is replaced.  Returns what is wrong with it."""
    from sphinx.cmd.build import build_main

    from tools.docs import links, maths, pages, reference

    shutil.rmtree(site, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="minicap-docs-", ignore_cleanup_errors=True) as folder:
        source, extra = Path(folder, "pages"), Path(folder, "extra")
        extra.mkdir()
        pages.write(source, extra)
        reference.write(source / "reference")
        settings = [
            "-c",
            str(Path(__file__).parent),
            "-D",
            f"html_extra_path={extra}",
            "-d",
            f"{folder}/doctrees",
        ]
        if build_main(["-q", "-W", "--keep-going", *settings, str(source), str(site)]):
            return ["Sphinx warns, see above"]
    maths.write_font(site)
    return list(links.problems(site))


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: built, and every link leads somewhere."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "site", metavar="FOLDER")
    site = parser.parse_args(argv).to.resolve()
    started = time.monotonic()
    wrong = build(site)
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        count = sum(1 for _ in site.rglob("*.html"))
        print(f"{count} pages in {time.monotonic() - started:.0f} s: {site / 'index.html'}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
