import io
import shutil
import stat
import subprocess
import tarfile
import zipfile

import pytest

from minicap.data.unpack import unpack
from minicap.errors import FormatError, InputError

FILES = {"set/a.txt": b"a", "set/deeper/b.txt": b"b" * 5000, "other.txt": b"other"}


def write_tar(path, files, mode="w:gz", **of_type):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o4777
            archive.addfile(member, io.BytesIO(content))
        for name, kind in of_type.items():
            member = tarfile.TarInfo(f"set/{name}")
            member.type, member.linkname = kind, "../../precious"
            archive.addfile(member)
    return path


def write_zip(path, files, mode=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("set")
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def found(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write(path, files):
    return (write_zip if path.suffix == ".zip" else write_tar)(path, files)


KINDS = pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])


@KINDS
def test_a_folder_of_an_archive_is_unpacked(tmp_path, name):
    counted = []
    unpack(write(tmp_path / name, FILES), tmp_path / "out", "set", 10_000, counted.append)
    assert found(tmp_path / "out") == {"a.txt": b"a", "deeper/b.txt": b"b" * 5000}
    assert counted == [1, 2]


@KINDS
def test_all_of_an_archive_is_unpacked_and_rights_are_left_out(tmp_path, name):
    unpack(write(tmp_path / name, FILES), tmp_path / "out", "", 10_000)
    assert found(tmp_path / "out") == FILES
    assert not (tmp_path / "out" / "set" / "a.txt").stat().st_mode & (stat.S_ISUID | stat.S_IXOTH)


@pytest.mark.parametrize("mode", ["w", "w:bz2", "w:xz"])
def test_an_archive_packed_in_other_ways_is_unpacked(tmp_path, mode):
    unpack(
        write_tar(tmp_path / "a.tgz", {f"./{name}": b"x" for name in FILES}, mode), tmp_path / "o", "set", 99
    )
    assert set(found(tmp_path / "o")) == {"a.txt", "deeper/b.txt"}


@KINDS
@pytest.mark.parametrize(
    "bad", ["../evil", "set/../../evil", "/evil", "..\\evil", "C:/evil", "c:evil", "set/..", "..", "."]
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name, bad):
    archive = write(tmp_path / name, {bad: b"evil"})
    with pytest.raises(FormatError, match=r"a\..*: the name .* leads out of the folder"):
        unpack(archive, tmp_path / "in" / "out", "", 10_000)
    assert not any("evil" in path.name for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
)
def test_links_and_devices_are_refused(tmp_path, kind):
    archive = write_tar(tmp_path / "a.tar.gz", FILES, link=kind)
    with pytest.raises(FormatError, match="set/link is a link or a device"):
        unpack(archive, tmp_path / "out", "set", 10_000)


def test_a_link_in_a_zip_is_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"set/link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    with pytest.raises(FormatError, match="set/link is a link or a device"):
        unpack(archive, tmp_path / "out", "set", 10_000)


@KINDS
def test_a_bomb_goes_off_outside(tmp_path, name):
    archive = write(tmp_path / name, {"set/bomb": bytes(9_000_000)})
    assert archive.stat().st_size < 100_000
    with pytest.raises(FormatError, match="unpacks to more than 3,000,000 bytes"):
        unpack(archive, tmp_path / "out", "set", 3_000_000)
    assert (tmp_path / "out" / "bomb").stat().st_size <= 3_000_000


@pytest.mark.filterwarnings("ignore:Duplicate name")
@KINDS
def test_a_name_that_is_there_twice_is_refused(tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_bytes(b"kept")
    with pytest.raises(FormatError, match=r"a\.txt is there twice"):
        unpack(write(tmp_path / name, FILES), tmp_path / "out", "set", 10_000)
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"kept"


@KINDS
def test_a_damaged_archive_is_named(tmp_path, name):
    whole = write(tmp_path / name, {"set/a": bytes(range(256)) * 50}).read_bytes()
    middle = len(whole) // 2
    for damaged in (
        b"",
        b"nothing",
        whole[:middle],
        whole[: middle - 9] + b"\xff" * 18 + whole[middle + 9 :],
    ):
        (tmp_path / name).write_bytes(damaged)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        with pytest.raises(FormatError, match=name):
            unpack(tmp_path / name, tmp_path / "out", "set", 100_000)


@KINDS
def test_an_archive_without_that_folder_is_named(tmp_path, name):
    with pytest.raises(FormatError, match="holds nothing in elsewhere"):
        unpack(write(tmp_path / name, FILES), tmp_path / "out", "elsewhere", 10_000)


def test_a_missing_archive_and_a_folder_that_cannot_be_made_are_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*no\.tar"):
        unpack(tmp_path / "no.tar", tmp_path / "out", "", 10_000)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*file"):
        unpack(write(tmp_path / "a.zip", FILES), tmp_path / "file" / "out", "", 10_000)


def test_a_debian_package_is_unpacked(tmp_path):
    if not shutil.which("dpkg-deb"):
        pytest.skip("needs dpkg-deb")
    (tmp_path / "tree" / "DEBIAN").mkdir(parents=True)
    control = "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: a\n"
    (tmp_path / "tree" / "DEBIAN" / "control").write_text(control, encoding="utf-8")
    (tmp_path / "tree" / "usr" / "set").mkdir(parents=True)
    (tmp_path / "tree" / "usr" / "set" / "a.txt").write_bytes(b"a")
    (tmp_path / "tree").chmod(0o755)
    (tmp_path / "tree" / "DEBIAN").chmod(0o755)
    command = ["dpkg-deb", "--root-owner-group", "-b", tmp_path / "tree", tmp_path / "a.deb"]
    subprocess.run(command, check=True, capture_output=True)
    unpack(tmp_path / "a.deb", tmp_path / "out", "usr/set", 100)
    assert found(tmp_path / "out") == {"a.txt": b"a"}
    (tmp_path / "a.deb").write_bytes(b"damaged")
    with pytest.raises(FormatError, match=r"a\.deb"):
        unpack(tmp_path / "a.deb", tmp_path / "again", "usr/set", 100)
