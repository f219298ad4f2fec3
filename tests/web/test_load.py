"""Many clients at once: nobody's photo is lost."""

from collections import Counter

import pytest
from web.running import running

from benchmarks.serving import under_load
from minicap.web import Limits, Runs, make_app

pytest.importorskip("uvicorn", reason='needs uvicorn: pip install "minicap[web]"')
pytest.importorskip("starlette", reason='the server needs Starlette: pip install "minicap[web]"')


@pytest.mark.slow
def test_two_hundred_photos_from_sixteen_clients_are_all_described(jpeg):
    """With time for an answer even where other programs want the same cores."""
    with running(make_app(Runs(), Limits(answer_seconds=600.0))) as address:
        host, port = address.removeprefix("http://").split(":")
        load = under_load(host, int(port), [jpeg], requests=200, clients=16)
    assert load.statuses == Counter({200: 200})
    assert len(load.seconds) == 200


@pytest.mark.slow
def test_past_the_last_place_every_client_is_answered_all_the_same(jpeg):
    with running(make_app(Runs(), Limits(places=2))) as address:
        host, port = address.removeprefix("http://").split(":")
        load = under_load(host, int(port), [jpeg], requests=60, clients=12)
    assert load.statuses.keys() == {200, 503}
    assert load.statuses.total() == 60
