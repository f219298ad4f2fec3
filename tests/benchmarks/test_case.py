import pytest

from benchmarks.case import Case, choose
from benchmarks.cases import all_cases
from benchmarks.peers import PEERS, choose_peers
from minicap.errors import InputError

CASES = [
    Case("conv/a", "", None),
    Case("conv/b", "", None, slow=True),
    Case("conv/a:forward", "", None, part=True),
    Case("step/a", "", None),
]


def names(*chosen, **options):
    return [case.name for case in choose(CASES, chosen, **options)]


def test_without_names_all_quick_whole_cases_are_run():
    assert names() == ["conv/a", "step/a"]
    assert names(slow=True) == ["conv/a", "conv/b", "step/a"]


def test_a_family_is_all_its_whole_cases():
    assert names("conv") == ["conv/a", "conv/b"]


def test_a_part_is_run_when_it_is_named():
    assert names("conv/a:forward") == ["conv/a:forward"]
    assert names("conv/*:*") == ["conv/a:forward"]


def test_patterns_keep_the_order_of_the_table_and_name_no_case_twice():
    assert names("step/*", "*/a") == ["conv/a", "step/a"]


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(InputError, match='did you mean "conv/a"'):
        names("conv/aa")


def test_an_unknown_peer_is_answered_with_all_there_are():
    with pytest.raises(InputError, match="torch-compile"):
        choose_peers("torch,jax")


def test_all_means_every_peer():
    assert [peer.name for peer in choose_peers("all")] == list(PEERS)


@pytest.mark.parametrize("case", all_cases().values(), ids=lambda case: case.name)
def test_a_case_has_a_side_for_each_of_its_peers(case):
    sides = {"minicap", *(name.partition("-")[0] for name in case.peers)}
    assert all(callable(getattr(case.work, side)) for side in sides)
    assert set(case.peers) <= set(PEERS)
    assert bool(case.items) == bool(case.unit)
