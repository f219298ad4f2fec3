import io
import sys
from contextlib import suppress
from types import ModuleType

import pytest

from minicap import progress as module
from minicap.progress import Progress, printable, quiet


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)

    @property
    def shown(self) -> list[str]:
        """What stood on the line, one text a redraw."""
        return [line.rstrip() for line in self.text.split("\r")[1:]]


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when told."""

    class Clock:
        now = 1000.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    return clock


def test_the_line_has_share_count_rate_time_left_and_values(clock):
    stream = Terminal()
    with Progress(100, "train", "photo", stream) as progress:
        clock.now += 2.0
        progress.advance(25, loss=1.23456, epoch=3)
        assert stream.shown[-1].startswith("train  25% ███")
        assert stream.shown[-1].endswith("25/100  12.5 photo/s  0:06 left  loss 1.235  epoch 3")


def test_the_last_line_says_all_is_done_and_ends_the_line(clock):
    stream = Terminal()
    with Progress(4, "train", "step", stream) as progress:
        for _ in range(4):
            clock.now += 0.01
            progress.advance()
    assert stream.text.endswith("\n")
    assert stream.shown[-1].startswith("train 100%")
    assert "4/4" in stream.shown[-1]
    assert "left" not in stream.shown[-1]


def test_a_line_that_is_not_to_stay_makes_room_for_the_result(clock):
    stream = Terminal()
    with Progress(4, "epoch 1/2", "batch", stream, leave=False) as progress:
        clock.now += 1.0
        progress.advance(4)
    assert "\n" not in stream.text
    before, wiped, rest = stream.text.rsplit("\r", 2)
    assert before.endswith("batch/s")
    assert (wiped.strip(), rest) == ("", "")
    assert len(wiped) >= len(before.rsplit("\r", 1)[-1])


def test_quick_steps_are_not_all_drawn(clock):
    stream = Terminal()
    with Progress(10_000, "train", "step", stream) as progress:
        for _ in range(10_000):
            clock.now += 0.001
            progress.advance()
    assert 90 <= len(stream.shown) <= 102


def test_what_was_done_before_does_not_count_for_the_rate(clock):
    stream = Terminal()
    with Progress(100, "features", "photo", stream) as progress:
        progress.reach(60, 100)
        clock.now += 1.0
        progress.reach(70, 100)
    assert "70/100  10.0 photo/s  0:03 left" in stream.shown[-1]


def test_the_rate_follows_a_change_of_pace(clock):
    stream = Terminal()
    with Progress(10_000, "train", "step", stream) as progress:
        for _ in range(100):
            clock.now += 1.0
            progress.advance(10)
        for _ in range(20):
            clock.now += 1.0
            progress.advance(1)
    assert " 1.0 step/s" in stream.shown[-1]


def test_long_work_has_hours(clock):
    stream = Terminal()
    with Progress(10_000, "train", "step", stream) as progress:
        clock.now += 1.0
        progress.advance(1)
        assert "2:46:39 left" in stream.shown[-1]


def test_without_a_total_there_is_no_bar(clock):
    stream = Terminal()
    with Progress(None, "read", "line", stream) as progress:
        clock.now += 1.0
        progress.advance(7)
    assert stream.shown[-1] == "read  7  7.0 line/s"


def test_no_work_at_all_is_no_error(clock):
    stream = Terminal()
    with Progress(0, "train", "step", stream) as progress:
        progress.reach(0, 0)
    assert stream.shown[-1] == "train  0/0"


def test_a_shorter_line_wipes_the_longer_one_out(clock):
    stream = Terminal()
    with Progress(None, "read", "line", stream) as progress:
        progress.reach(1, note="a long remark")
        clock.now += 1.0
        progress.reach(1, note="b")
    first, second = stream.text.split("\r")[1:3]
    assert len(second) >= len(first)


@pytest.mark.parametrize("columns", [1, 10, 20, 40, 79, 300])
def test_the_line_fits_the_terminal(clock, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    with Progress(100, "features of coco8k", "photo", stream) as progress:
        clock.now += 1.0
        progress.advance(50, loss=2.5)
    assert all(len(line) < columns for line in stream.shown)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_without_blocks_gets_ascii(clock, encoding):
    stream = Terminal(encoding)
    with Progress(2, "train", "step", stream) as progress:
        clock.now += 1.0
        progress.advance()
    assert "##" in stream.shown[-1]
    assert "--" in stream.shown[-1]
    assert stream.text.isascii()


def test_a_file_or_pipe_stays_empty(clock):
    stream = Terminal(terminal=False)
    with Progress(2, "train", "step", stream) as progress:
        progress.advance(2)
    assert stream.text == ""
    assert progress.done == 2


def test_a_dumb_terminal_stays_empty(clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with Progress(2, "train", "step", stream) as progress:
        progress.advance(2)
    assert stream.text == ""


def test_a_program_without_stderr_is_no_error(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    with Progress(2, "train", "step") as progress:
        progress.advance(2)
    assert progress.done == 2


def notebook() -> Terminal:
    """A stream as the one that Jupyter's kernel puts in the place of stderr."""
    return type("OutStream", (Terminal,), {"__module__": "ipykernel.iostream"})(terminal=False)


@pytest.fixture
def cell(monkeypatch):
    """What IPython is told to show below a cell: one list of texts and HTML for each place."""
    places = []

    class Handle:
        def __init__(self) -> None:
            self.shown = []

        def update(self, data, raw):
            assert raw
            self.shown.append(data)

    def display(data, raw, display_id):
        assert display_id
        places.append(Handle())
        places[-1].update(data, raw)
        return places[-1]

    module = ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return places


def test_a_notebook_shows_a_bar_in_one_place(clock, cell):
    stream = notebook()
    with Progress(4, "train", "step", stream) as progress:
        for _ in range(4):
            clock.now += 1.0
            progress.advance(loss=0.5)
    [place] = cell
    assert '<progress value="1" max="4"></progress> 1/4' in place.shown[0]["text/html"]
    assert '<progress value="4" max="4"></progress> 4/4' in place.shown[-1]["text/html"]
    assert place.shown[-1]["text/plain"] == progress.line(100)
    assert stream.text == ""


def test_a_bar_that_is_not_to_stay_leaves_nothing(clock, cell):
    with Progress(2, "train", "step", notebook(), leave=False) as progress:
        progress.advance(2)
    assert cell[0].shown[-1] == {"text/plain": ""}


def test_each_work_has_a_bar_of_its_own(clock, cell):
    for _ in range(2):
        with Progress(2, "train", "step", notebook()) as progress:
            progress.advance(2)
    assert len(cell) == 2


def test_a_notebook_without_ipython_shows_the_line(clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    stream = notebook()
    with Progress(2, "train", "step", stream) as progress:
        progress.advance(2)
    assert "100%" in stream.shown[-1]


def test_a_quiet_notebook_shows_no_bar(clock, cell):
    with quiet(), Progress(2, "train", "step", notebook()) as progress:
        progress.advance(2)
    assert cell == []


def test_an_error_ends_the_line_where_the_work_stopped(clock):
    stream = Terminal()
    with suppress(KeyboardInterrupt), Progress(4, "train", "step", stream) as progress:
        progress.advance(1)
        raise KeyboardInterrupt
    assert stream.text.endswith("\n")
    assert "1/4" in stream.shown[-1]


def test_what_could_rewrite_the_screen_is_spelled_out():
    assert printable("a\x1b[2Jb\r\n\u202e\x9b\udcff") == r"a\x1b[2Jb\r\n\u202e\x9b\udcff"
    assert printable("Zwei Möwen, 犬 😀") == "Zwei Möwen, 犬 😀"


def test_a_label_of_somebody_else_cannot_move_the_cursor():
    assert "\x1b" not in Progress(3, "a\x1b[2J", "photo").line(80)


def test_nothing_is_drawn_where_somebody_else_says_how_far_the_work_has_come():
    terminal = Terminal()
    with quiet(), Progress(3, "train", "batch", terminal) as progress:
        progress.advance()
    assert terminal.text == ""
    with Progress(3, "train", "batch", terminal) as progress:
        progress.advance()
    assert "1/3" in terminal.text
