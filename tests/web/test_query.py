"""Parameters of an address, checked."""

import pytest

from minicap.web.query import Query
from minicap.web.refusal import Refusal


def refused(call):
    with pytest.raises(Refusal) as refusal:
        call()
    assert refusal.value.status == 400
    return str(refusal.value)


def test_a_parameter_may_be_repeated_where_that_makes_sense():
    query = Query([("run", "a"), ("beam", "3"), ("run", "b")], "run", "beam")
    assert query.texts("run") == ["a", "b"]
    assert "give run= once" in refused(lambda: query.text("run"))
    assert query.whole("beam", 1, 1, 10) == 3


def test_a_missing_parameter_has_its_default_or_is_asked_for():
    query = Query([], "beam")
    assert query.whole("beam", 5, 1, 10) == 5
    assert "give beam= once" in refused(lambda: query.whole("beam", None, 1, 10))


@pytest.mark.parametrize("text", ["0", "11", "-1", "3.0", "", " 3", "٣", "1" * 5000, "0x3"])
def test_a_number_out_of_range_or_none_at_all_is_refused(text):
    assert "must be in 1..10" in refused(lambda: Query([("beam", text)], "beam").whole("beam", 3, 1, 10))


def test_an_unknown_parameter_is_refused_with_the_nearest():
    assert 'did you mean "beam"?' in refused(lambda: Query([("beem", "3")], "run", "beam"))
    assert "known here: none" in refused(lambda: Query([("x", "")]))
