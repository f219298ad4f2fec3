import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minicap.errors import InputError, MissingExtra
from minicap.plots import (
    activation_grid,
    attention_sheet,
    caption_sheet,
    filter_grid,
    image_grid,
    loss_curves,
    save_figure,
    top_classes,
)
from minicap.plots.figure import new_figure

PHOTO = np.zeros((4, 5, 3), np.uint8)


def test_a_figure_is_saved_as_a_png_of_the_size_asked_for(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    save_figure(new_figure(3, 2), tmp_path / "a.png", dpi=50)
    with Image.open(tmp_path / "a.png") as image:
        assert (image.format, image.size) == ("PNG", (150, 100))


@pytest.mark.parametrize(("ending", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("PNG", b"\x89PNG")])
def test_the_ending_decides_the_format(tmp_path, ending, start):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / f"a.{ending}"
    save_figure(new_figure(1, 1), path)
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["a.jpg", "a", "png"])
def test_another_ending_is_an_input_error(tmp_path, name):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with pytest.raises(InputError, match=r"\.png, \.pdf, \.svg"):
        save_figure(new_figure(1, 1), tmp_path / name)


def test_a_figure_too_large_names_the_dpi_that_fits(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with pytest.raises(InputError, match="dpi 327 or less"):
        save_figure(new_figure(1, 200), tmp_path / "a.png", dpi=400)
    with pytest.raises(InputError, match="dpi is 0"):
        save_figure(new_figure(1, 1), tmp_path / "a.png", dpi=0)


def test_a_save_that_fails_keeps_the_old_file_and_leaves_no_litter(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    figure = new_figure(1, 1)

    def half_written(file, **options):
        file.write(b"half")
        raise RuntimeError("out of ink")

    monkeypatch.setattr(figure, "savefig", half_written)
    with pytest.raises(RuntimeError, match="out of ink"):
        save_figure(figure, path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_missing_folder_is_an_input_error(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with pytest.raises(InputError, match="no folder"):
        save_figure(new_figure(1, 1), tmp_path / "none" / "a.png")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: loss_curves([{"step": 1, "epoch": 1, "loss": 1.0}]),
        lambda: top_classes(PHOTO, ["cat"], [1.0]),
        lambda: filter_grid(np.zeros((1, 3, 2, 2))),
        lambda: activation_grid(np.zeros((1, 2, 2))),
        lambda: image_grid([PHOTO], title="no one has measured this title"),
        lambda: caption_sheet([PHOTO], ["no one has measured this caption"]),
        lambda: attention_sheet(PHOTO, ["unmeasured"], np.ones((1, 4))),
    ],
)
def test_without_matplotlib_the_message_names_the_pip_line(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match="pip install matplotlib"):
        draw()


def test_importing_plots_does_not_import_matplotlib():
    code = "import sys, minicap.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_drawing_and_saving_leaves_pyplot_alone(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    code = (
        "import sys, matplotlib; from minicap.plots import *; before = matplotlib.rcParams.copy()\n"
        "save_figure(loss_curves([dict(step=1, epoch=1, loss=1.0)]), sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules and matplotlib.rcParams.copy() == before"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], check=True)


def test_a_notebook_shows_the_figure_without_pyplot():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert new_figure(1, 1)._repr_png_().startswith(b"\x89PNG")
