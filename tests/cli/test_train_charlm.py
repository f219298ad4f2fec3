import pytest

from minicap.cli import main

TEXT = "how much wood would a woodchuck chuck\n" * 40
SMALL = ["--layers", "1", "--hidden-size", "12", "--embed-size", "6", "--chunk", "16", "--batch-size", "8"]


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8", newline="\n")
    return tmp_path / "text.txt"


def test_a_text_is_learned_resumed_and_written(text, tmp_path, capsys, refused):
    run = tmp_path / "run"
    assert main(["train", "charlm", "--text", str(text), "--run", str(run), *SMALL, "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    assert "1,444 characters to train on, 76 to validate on, 12 different ones" in out
    assert "bits_per_character" in out
    assert main(["train", "--resume", str(run), "--epochs", "3"]) == 0
    assert "epoch   3/3" in capsys.readouterr().out

    def written(*flags):
        assert main(["sample", str(run), "--length", "60", *flags]) == 0
        return capsys.readouterr().out

    assert written("--seed", "1") == written("--seed", "1") != written("--seed", "2")
    assert written("--temperature", "0", "--begin", "how").startswith("how")
    assert set(written("--top-k", "3")) <= set(TEXT)
    assert "'Q' is none of the 12 characters" in refused("sample", run, "--begin", "Q")
    assert "give a temperature" in refused("sample", run, "--temperature", "0", "--top-k", "3")
    assert "holds 'charlm', not a captioner" in refused("caption", text, "--run", run)


def test_what_is_no_text_is_refused(tmp_path, text, refused, trained):
    train = ("train", "charlm", "--run", tmp_path / "run")
    assert "say what to train on: --text FILE" in refused(*train)
    assert "cannot read" in refused(*train, "--text", tmp_path / "none.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\xd8\x00")
    assert "bytes.txt" in refused(*train, "--text", tmp_path / "bytes.txt")
    assert "too few for 64 streams" in refused(*train, "--text", short(tmp_path))
    assert "holds 'captioner', not a character model" in refused("sample", trained)


def short(folder):
    (folder / "short.txt").write_text("ab", encoding="utf-8")
    return folder / "short.txt"
