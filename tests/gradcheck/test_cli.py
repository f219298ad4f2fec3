"""minicap gradcheck as a user types it."""

import argparse
import builtins
import json

import pytest

from minicap.cli import gradcheck
from minicap.errors import InputError, MissingExtra
from minicap.gradcheck import kinds, library
from minicap.layers.affine import affine_forward


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    gradcheck.add_arguments(parser)
    return gradcheck.run(parser.parse_args(words))


def test_every_layer_has_one_line(capsys):
    assert run("lstm_step", "relu") == 0
    headings, *layers, summary = capsys.readouterr().out.splitlines()
    assert headings.split()[:4] == ["layer", "cases", "gradients", "error"]
    assert [line.split()[0] for line in layers] == ["lstm_step", "relu"]
    assert all(line.endswith(" ok") for line in layers)
    assert summary.startswith("2 layers, 3 cases, 8 gradients")


def test_verbose_gives_a_line_for_every_argument(capsys):
    assert run("lstm_step", "--verbose") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split()[:4] == ["layer", "argument", "error", "complex"]
    assert [line.split()[1] for line in out[1:-1]] == ["x", "prev_h", "prev_c", "Wx", "Wh", "b"]
    assert "1 layer, 1 case, 6 gradients (199 entries); all ok; 0 skipped" in out[-1]


def test_a_wrong_layer_gives_one(capsys, monkeypatch):
    wrong = library.Layer(
        "affine", affine_forward, lambda dout, cache: (cache.x, cache.w, dout.sum(0)), False
    )
    monkeypatch.setattr(library, "all_layers", lambda: {"affine": wrong})
    assert run("affine") == 1
    out = capsys.readouterr().out
    assert "FAIL: 8 rows" in out
    assert "FAIL: error" in out


def test_an_unknown_layer_is_an_error_with_a_hint():
    with pytest.raises(InputError, match='did you mean "softmax_loss"'):
        run("softmaxloss")


def test_json_goes_to_stdout_and_nothing_else_does(capsys):
    assert run("tanh", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert value["rows"][0]["layer"] == "tanh"
    assert value["summary"]["gradients"] == 1


def test_list_names_layers_and_their_cases(capsys):
    assert run("batchnorm", "--list") == 0
    assert capsys.readouterr().out.startswith("batchnorm  train; eval")


def test_mutants_print_killed_and_survived(capsys):
    assert run("tanh", "--mutants") == 0
    out = capsys.readouterr().out
    assert "0 survived" in out
    assert all(kind.name in out for kind in kinds.KINDS)


def test_mutants_as_json(capsys):
    assert run("tanh", "--mutants", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert value["kinds"]["zeroed"] == {"killed": 1, "survived": 0, "same": 0}


def test_a_plot_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert run("affine", "--plot", str(tmp_path / "error.svg")) == 0
    assert (tmp_path / "error.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")


@pytest.mark.parametrize("name", ["missing/error.png", "error.nosuchformat"])
def test_a_plot_that_cannot_be_written_is_an_error(tmp_path, name):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    with pytest.raises(InputError, match="cannot write the plot"):
        run("affine", "--plot", str(tmp_path / name))


def test_a_plot_without_matplotlib_names_the_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_matplotlib(name, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(MissingExtra, match="pip install matplotlib"):
        run("affine", "--plot", str(tmp_path / "error.png"))
