"""`minicap site`: a folder with a playground that runs minicap in the browser."""

import argparse
from pathlib import Path

from minicap.cli.arguments import path
from minicap.playground.site import write_site
from minicap.progress import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=path, metavar="OUT", help="new, empty, or with an earlier playground")
    parser.add_argument(
        "--from",
        dest="source",
        type=path,
        metavar="FOLDER",
        help="where the files of `npm pack` are (default: npm downloads them once)",
    )


def run(args: argparse.Namespace) -> int:
    folder: Path = args.folder
    write_site(folder, args.source)
    files = [file for file in folder.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    name = printable(str(folder))
    print(f"{name}: {len(files)} files, {size / 1e6:.0f} MB; any web server can serve it as it is")
    print(f"Look at it: python -m http.server -b 127.0.0.1 -d {name}   and http://127.0.0.1:8000/")
    return 0
