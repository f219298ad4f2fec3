import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from minicap.assignments import manifest
from minicap.assignments.teacher import gradescope, grading, reports, sandbox, similarity
from minicap.errors import InputError


def test_partial_credit_is_a_share_of_the_cases(grade):
    body = "dx = (dout @ w.T).reshape(x.shape)\nreturn dx, x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)"
    only_small = f"if x.size > 5000:\n    raise ValueError('too large')\n{body}"
    scores, said = grade(affine_backward=only_small)
    assert scores["affine_backward"] == pytest.approx(10 * 4 / 5)
    assert "raises ValueError: too large" in said


def test_the_same_submission_gets_the_same_twice_and_is_graded_once(submission, place, tmp_path, monkeypatch):
    paths = [submission("ada", relu_backward="right"), submission("bob")]
    with ThreadPoolExecutor(2) as executor:
        first = list(grading.grade_all(paths, place, executor, tmp_path / "json"))
        monkeypatch.setattr(grading, "grade", lambda *_: pytest.fail("graded a second time"))
        assert list(grading.grade_all(paths, place, executor, tmp_path / "json")) == first
    assert [record["score"] for record in first] == [6, 0]


def test_a_changed_submission_is_graded_again(submission, place, tmp_path):
    with ThreadPoolExecutor(1) as executor:
        list(grading.grade_all([submission("ada")], place, executor, tmp_path / "json"))
        again = list(
            grading.grade_all([submission("ada", relu_backward="right")], place, executor, tmp_path / "json")
        )
    assert again[0]["score"] == 6


def test_a_secret_is_kept_with_the_results(tmp_path):
    first = grading.secret_of(tmp_path / "results")
    assert grading.secret_of(tmp_path / "results") == first
    assert grading.secret_of(tmp_path / "other") != first


def test_workers_find_the_handout_compiled_and_the_student_s_file_not(place, grade):
    compiled = {file.name.partition(".")[0] for file in place.handout.rglob("*.pyc")}
    assert {"worker", "affine", "activations"} <= compiled
    assert grade(relu_backward="right")[0]["relu_backward"] == 6  # not the TODO of the bytecode


def test_another_secret_draws_other_numbers(small):
    one, other = ({t.name: t.args[0] for t in grading.draw(small, s, ["relu_backward"])} for s in ("a", "b"))
    assert one["float32"].shape == other["float32"].shape
    assert (one["float32"] != other["float32"]).any()


def test_without_a_sandbox_grading_refuses(monkeypatch):
    monkeypatch.setattr(sandbox, "works", lambda kind: False)
    with pytest.raises(InputError, match="bubblewrap"):
        sandbox.choose()


def test_unsafe_needs_a_system_with_fork(monkeypatch):
    monkeypatch.delattr(sandbox.os, "fork", raising=False)
    with pytest.raises(InputError, match="WSL"):
        sandbox.choose(unsafe=True)


@pytest.mark.skipif(not hasattr(grading.sandbox.os, "fork"), reason="grading needs fork")
def test_unsafe_grades_where_there_is_no_sandbox(submission, small, tmp_path):
    place = grading.prepare(small, tmp_path / "handout", "secret", unsafe=True)
    record = grading.grade(submission(relu_backward="right", affine_backward="import os\nos._exit(0)"), place)
    assert {e["id"]: e["score"] for e in record["exercises"]} == {"relu_backward": 6, "affine_backward": 0}


RECORD = {
    "name": "lovelaceada_123_456_a2",
    "score": 4.0,
    "max_score": 16,
    "problem": "",
    "seconds": 1.5,
    "exercises": [
        {"id": "relu_backward", "points": 6, "score": 6.0, "passed": 3, "trials": 3, "failures": []},
        {
            "id": "affine_backward",
            "points": 10,
            "score": 0.0,
            "passed": 0,
            "trials": 3,
            "failures": [["plain", "raises E: <script>", "minicap/layers/affine.py:40"]],
        },
    ],
}


def test_gradescope_gets_what_it_reads(small):
    results = json.loads(json.dumps(reports.gradescope(RECORD, small)))
    assert set(results) == {"score", "execution_time", "output", "tests"}
    assert [test["status"] for test in results["tests"]] == ["passed", "failed"]
    assert results["tests"][1]["max_score"] == 10
    assert "affine.py:40" in results["tests"][1]["output"]
    assert {test["visibility"] for test in results["tests"]} == {"visible"}


def test_canvas_gets_its_columns(small):
    lines = reports.canvas([RECORD, RECORD | {"name": "=1+1"}], small).splitlines()
    assert lines[0] == "Student,ID,SIS User ID,SIS Login ID,Section,Two layers"
    assert lines[1] == "Points Possible,,,,,16"
    assert lines[2] == "lovelaceada,123,,,,4"
    assert lines[3].startswith("'=1+1,")


def test_a_student_gets_a_page_without_anything_active(small):
    page = reports.markdown(RECORD, small)
    assert page.startswith("# Two layers: 4 of 16")
    assert "| affine_backward | 0 / 10 | 0 of 3 |" in page
    assert "Hint: Shapes tell." in page
    assert "<script>" not in page


def test_of_an_archive_that_cannot_be_used_the_page_says_so_and_no_more(small):
    page = reports.markdown(RECORD | {"problem": "a.zip is not a zip"}, small)
    assert "**a.zip is not a zip**" in page
    assert "relu_backward" not in page


def test_a_missing_file_is_named_once_for_an_exercise(small):
    missing = {"passed": 0, "failures": [["", "minicap/layers/affine.py is missing", "affine.py"]]}
    record = RECORD | {"exercises": [RECORD["exercises"][1] | missing]}
    assert "\n- minicap/layers/affine.py is missing\n\nHint" in reports.markdown(record, small)


COPIED = """
a = x.reshape(len(x), -1)
left = dout @ w.T
right = a.T @ dout  # so it is
b = np.ones(len(a)) @ dout
return left.reshape(x.shape), right, b
"""
OWN = """
grads = []
grads.append(np.einsum("nm,dm->nd", dout, w).reshape(x.shape))
grads.append(sum(np.outer(row, d) for row, d in zip(x.reshape(len(x), -1), dout)))
total = np.zeros(dout.shape[1])
for row in dout:
    total = total + row
grads.append(total)
return tuple(grads)
"""


def test_a_copy_with_other_names_is_found_and_own_work_is_not(submission, small):
    from minicap.assignments import archive
    from minicap.assignments.submission import wanted

    renamed = COPIED.replace("left", "first").replace("right", "second")
    written = {
        "ada": submission("ada", affine_backward=COPIED),
        "bob": submission("bob", affine_backward=renamed),
        "eve": submission("eve", affine_backward=OWN),
    }
    files = {name: archive.read(path, wanted(small)) for name, path in written.items()}
    pairs = similarity.alike(files, small)
    assert [(p.one, p.other) for p in pairs] == [("ada", "bob")]
    assert pairs[0].share == 1
    assert pairs[0].exercises == ["affine_backward"]


def test_a_copy_of_minicap_s_own_code_is_found_under_other_names_too():
    assignment = manifest.find("a2")
    files = {e.file: (manifest.PACKAGE.parent / e.file).read_bytes() for e in assignment.exercises}
    conv = files["minicap/layers/conv.py"].replace(b"columns", b"matrix").replace(b"cache", b"kept")
    own = {"minicap/layers/conv.py": b"def conv_forward(x, w):\n    return x @ w, (x, w)\n"}
    handed_in = {"ada": own, "bob": files, "eve": files | {"minicap/layers/conv.py": conv}}
    found = similarity.copies(handed_in, assignment)
    assert list(found) == ["bob", "eve"]
    assert {"conv_forward", "conv_backward", "batchnorm_forward"} <= set(found["eve"])
    assert "| eve | " in similarity.table([], found)


def test_gradescope_s_zip_holds_what_its_machine_runs(tmp_path):
    import zipfile

    gradescope.write(manifest.find("a2"), tmp_path / "autograder.zip")
    with zipfile.ZipFile(tmp_path / "autograder.zip") as packed:
        names = set(packed.namelist())
        run = packed.read("run_autograder").decode()
    assert {"setup.sh", "run_autograder", "minicap/__main__.py", "assignments/a2/cases.py"} <= names
    assert "grade a2 /autograder/submission" in run
    assert "--unsafe" not in run
