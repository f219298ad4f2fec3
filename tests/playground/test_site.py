"""What `minicap site` writes, and what it refuses to write over."""

import ast
import re
import zipfile
from pathlib import Path

import pytest
from playground.conftest import photos

from minicap.cli import main
from minicap.errors import InputError
from minicap.playground.site import MARK, write_site


def names_in(file: Path) -> set[str]:
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def pages(folder: Path) -> dict[str, str]:
    """The text of what is ours: HTML, style and code."""
    files = [file for file in folder.iterdir() if file.suffix in (".html", ".css", ".js", ".svg")]
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def test_the_command_writes_a_folder_and_says_how_to_look_at_it(packages, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["site", str(out), "--from", str(packages)]) == 0
    said = capsys.readouterr().out
    assert "any web server" in said
    assert f"-d {out}" in said
    for name in ("index.html", "worker.js", "page.css", "minicap.zip", "numpy.zip", "pyodide/pyodide.mjs"):
        assert (out / name).is_file(), name


def test_the_package_goes_without_what_a_browser_cannot_use(written):
    names = names_in(written / "minicap.zip")
    assert {"threadpoolctl.py", "minicap/playground/rooms.py", "minicap/layers/lstm.py"} <= names
    kinds = tuple(f"minicap/{room}/" for room in ("web", "cli", "assignments", "compat"))
    assert [name for name in names if name.startswith(kinds) or "__pycache__" in name] == []


def test_every_module_of_minicap_that_the_page_imports_is_in_it(written):
    """At the top of a module; what functions import, they may be called without."""
    with zipfile.ZipFile(written / "minicap.zip") as archive:
        sources = {name: archive.read(name) for name in archive.namelist() if name.endswith(".py")}
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in sources}
    seen, waiting = set(), ["minicap.playground.rooms", "minicap.playground.pillow"]
    waiting += [f"minicap.playground.{name}" for name in ("exercises", "photos", "nets")]
    while waiting:
        module = waiting.pop()
        seen.add(module)
        path = module.replace(".", "/")
        source = sources.get(f"{path}.py") or sources.get(f"{path}/__init__.py", b"")
        for node in ast.parse(source).body:
            found = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found = [name for name in found if name.startswith("minicap") and name not in seen]
            assert [name for name in found if name not in modules] == [], module
            waiting += found


def test_nothing_of_ours_names_another_host(written):
    for name, text in pages(written).items():
        addresses = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"'`]*", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name  # a name, which nobody fetches


def test_the_policy_allows_no_other_host_and_no_code_in_the_page(written):
    text = pages(written)["index.html"]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert set(" ".join(rules.values()).split()) <= {"'none'", "'self'", "blob:", "'wasm-unsafe-eval'"}
    assert not re.search(r"<style|style=|\son\w+=|<script>", text)


def test_what_the_page_loads_is_there(written):
    texts = pages(written)
    named = re.findall(r'(?:src|href)="([^"#]+)"', texts["index.html"])
    named += [name for text in texts.values() for name in re.findall(r'from "\./([^"]+)"', text)]
    named += [f"photos/{photo['file']}" for photo in photos(written)]
    assert len(named) > 15
    assert [name for name in named if not (written / name).is_file()] == []


def test_every_element_that_the_code_looks_for_is_in_the_page(written):
    texts = pages(written)
    there = set(re.findall(r'\bid="([^"]+)"', texts["index.html"]))
    wanted = {name for text in texts.values() for name in re.findall(r'find\("([^"]+)"\)', text)}
    assert wanted <= there


def test_the_licences_go_along(written):
    licences = {file.name: file.read_text(encoding="utf-8") for file in (written / "licences").iterdir()}
    assert "Mozilla Public License" in licences["MPL-2.0.txt"]
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in licences["Python.txt"]
    assert licences["numpy.txt"] == "BSD"
    assert "flickr" in licences["photos.md"]
    named = re.findall(r"[\w.-]+\.(?:txt|md)\b", licences["README.txt"])
    assert named
    assert [name for name in named if name not in licences] == []


def test_a_second_time_gives_the_same_files(packages, written):
    before = {file: file.read_bytes() for file in written.rglob("*") if file.is_file()}
    (written / "CNAME").write_text("mine", encoding="utf-8")
    write_site(written, packages)
    assert {file: file.read_bytes() for file in before} == before
    assert (written / "CNAME").read_text(encoding="utf-8") == "mine"


def test_a_folder_with_anything_else_in_it_is_left_alone(packages, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is not empty and holds no playground"):
        write_site(tmp_path, packages)
    assert not (tmp_path / MARK).exists()
    with pytest.raises(InputError, match=r"thesis\.tex is a file"):
        write_site(tmp_path / "thesis.tex", packages)
