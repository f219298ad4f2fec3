import pytest

from minicap.assignments import manifest
from minicap.errors import FormatError, InputError

EXERCISE = """
[[exercise]]
id = "relu"
title = "Rectifier"
target = "minicap.layers.activations.relu_forward"
points = 3
hint = "The larger of two."
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / manifest.FILE).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_an_exercise_knows_its_module_its_file_and_its_layer(written):
    assignment = manifest.load(written('id = "b"\ntitle = "B"\n' + EXERCISE))
    exercise = assignment.exercise("relu")
    assert exercise.module == "minicap.layers.activations"
    assert (exercise.file, exercise.function) == ("minicap/layers/activations.py", "relu_forward")
    assert (exercise.layer, assignment.points) == ("relu", 3)


def test_a_method_is_a_function_of_its_class():
    assert manifest.find("a1").exercise("adam").function == "Adam.update"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('id = "b"\ntitle = "B"\n', "no .*exercise"),
        (EXERCISE, "needs id and title"),
        ('id = "b"\ntitle = "B"\nhiden = []\n' + EXERCISE, "hiden"),
        ('id = "b"\ntitle = "B"\n' + EXERCISE + EXERCISE, "the same id"),
        ('id = "b"\ntitle = "B"\n' + EXERCISE.replace("3", "0"), "at least 1"),
        ('id = "b"\ntitle = "B"\n' + EXERCISE.replace("points", "point"), "points"),
    ],
)
def test_a_wrong_manifest_is_refused_with_what_is_wrong(written, text, complaint):
    with pytest.raises((FormatError, InputError), match=complaint):
        manifest.load(written(text))


def test_an_unknown_assignment_or_exercise_is_refused_with_the_nearest_known(a2):
    with pytest.raises(InputError, match="choose one of a1, a2"):
        manifest.find("a22222")
    with pytest.raises(InputError, match="conv_forward"):
        a2.exercise("conv_foward")


def test_the_beginning_of_an_id_names_all_that_begin_so(a2):
    chosen = manifest.split_names(a2, ["conv"])
    assert [e.id for e in chosen] == ["conv_forward", "conv_backward"]
    assert manifest.split_names(a2, []) == list(a2.exercises)


@pytest.mark.parametrize("name", manifest.folders())
def test_every_assignment_is_worth_a_hundred_points(name):
    assert manifest.find(name).points == 100
