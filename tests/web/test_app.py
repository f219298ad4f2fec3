"""The server as a whole: every address, and what its description promises."""

import asyncio
import json
import re
import threading

import numpy as np
import pytest
from web.client import HOST, ask, get, post

from minicap import __version__
from minicap.multilabel import Tagger
from minicap.web import Limits, Runs, make_app
from minicap.web.app import Server
from minicap.web.guard import HEADERS

pytest.importorskip("starlette", reason='the server needs Starlette: pip install "minicap[web]"')


@pytest.fixture(scope="module")
def spec(app):
    return get(app, "/api/openapi.json").json()


def matches(value, schema, spec):
    """Whether a JSON value is as a schema says; as much of JSON Schema as openapi.json uses."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return matches(value, spec["components"]["schemas"][name], spec)
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, kinds[kind]) for kind in wanted):
        return False
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        return set(schema["required"]) <= value.keys() <= known.keys() and all(
            matches(inner, known[key], spec) for key, inner in value.items()
        )
    if isinstance(value, list) and "items" in schema:
        return all(matches(inner, schema["items"], spec) for inner in value)
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        if wanted == ["number"]
        else True
    )


def promised(response, spec, path, method):
    """The response is one that the description of the address has, of that shape."""
    known = spec["paths"][path][method]["responses"][str(response.status)]
    if "$ref" in known:
        known = spec["components"]["responses"][known["$ref"].rpartition("/")[2]]
    return matches(response.json(), known["content"]["application/json"]["schema"], spec)


def test_the_addresses_are_those_of_the_description(spec):
    routes = {(path, method.lower()) for method, path, _ in Server(Runs(), Limits()).routes()}
    described = {(path, method) for path, methods in spec["paths"].items() for method in methods}
    assert {route for route in routes if route[0].startswith("/api/")} - described == {
        ("/api/openapi.json", "get")
    }
    assert described <= routes


def test_the_description_matches_what_is_answered(app, spec, jpeg, monkeypatch):
    monkeypatch.setattr("minicap.web.answers.share_lost", lambda *_: np.ones((3, 49)))
    calls = {
        ("/api/runs", "get"): get(app, "/api/runs"),
        ("/api/describe", "post"): post(app, "/api/describe?run=mine&run=squeezenet1_1", jpeg),
        ("/api/hide", "post"): post(app, "/api/hide?run=mine&caption=a+red+circle", jpeg),
        ("/api/progress", "get"): get(app, "/api/progress?run=mine"),
    }
    for (path, method), response in calls.items():
        assert response.status == 200, response.body
        assert promised(response, spec, path, method), path


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/api/describe?run=nobody", 404),
        ("/api/describe?beam=0", 400),
        ("/api/describe?unknown=1", 400),
        ("/api/describe?" + "&".join(["run=shipped"] * 9), 400),
        ("/api/describe", 422),
        ("/api/hide?run=mine", 400),
        ("/api/hide?run=mine&caption=zyzzyva", 422),
        ("/api/hide?run=squeezenet1_1&caption=dog", 422),
    ],
)
def test_a_refusal_is_as_described_too(app, spec, jpeg, address, status):
    body = b"no photo" if address == "/api/describe" else jpeg
    response = post(app, address, body)
    assert response.status == status
    assert promised(response, spec, address.partition("?")[0], "post")
    assert response.error["message"]


def test_the_default_runs_answer_where_none_is_named(app, jpeg):
    answers = post(app, "/api/describe", jpeg).json()["answers"]
    assert [answer["run"] for answer in answers] == ["shipped", "efficientnet_lite0", "tags"]
    assert len(answers[0]["captions"]) == 3
    assert len(answers[1]["classes"]) == 5
    assert {answer["label"] for answer in answers[2]["labels"]} <= set(Tagger.shipped().labels)


def test_beam_and_top_say_how_much_is_wanted(app, jpeg):
    answers = post(app, "/api/describe?beam=2&top=7", jpeg).json()["answers"]
    assert len(answers[0]["captions"]) == 2
    assert len(answers[1]["classes"]) == 7


def test_the_runs_are_listed_with_the_limits(app):
    found = get(app, "/api/runs").json()
    assert found["version"] == __version__
    assert {"shipped", "squeezenet1_1", "mine"} <= {run["name"] for run in found["runs"]}
    assert found["limits"]["bytes"] == Limits().most_bytes


def test_a_run_that_has_just_begun_can_be_asked_at_once(tmp_path):
    server = make_app(Runs(folder=tmp_path))
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "config.toml").write_text("", encoding="utf-8")
    (tmp_path / "new" / "metrics.jsonl").touch()
    assert get(server, "/api/progress?run=new").json()["epochs"] == []


def test_a_sample_photo_is_served_by_its_number(app):
    found = get(app, "/api/sample?run=mine&photo=0")
    assert (found.status, found.headers["content-type"]) == (200, "image/jpeg")
    assert get(app, "/api/sample?run=mine&photo=7").status == 404
    for number in ("", "../humans.json", "0.jpg", "-1"):
        assert get(app, f"/api/sample?run=mine&photo={number}").status == 400


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e%2fapp.py", "/static/app.py", "/static/", "/nowhere", "/api/x"],
)
def test_nothing_else_is_served(app, path):
    response = get(app, path)
    assert response.status == 404
    assert response.error["code"] == "not_found"


def test_another_method_is_refused(app):
    assert get(app, "/api/describe").status == 405
    assert post(app, "/").status == 405


def test_a_page_that_the_browser_has_is_not_sent_again(app):
    first = get(app, "/static/page.css")
    again = asyncio.run(ask(app, "GET", "/static/page.css", headers={"if-none-match": first.headers["etag"]}))
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/api", "/static/page.js", "/api/runs", "/nowhere"])
def test_every_answer_has_the_security_headers(app, path):
    headers = get(app, path).headers
    assert all(headers[name.lower()] == value for name, value in HEADERS.items())
    assert "server" not in headers


def test_answers_about_photos_are_kept_nowhere(app, jpeg):
    assert post(app, "/api/describe?run=squeezenet1_1", jpeg).headers["cache-control"] == "no-store"


def test_another_site_gets_nothing(app, jpeg):
    assert get(app, "/", host="evil.example").status == 421
    assert post(app, "/api/describe", jpeg, origin="http://evil.example").status == 403
    assert post(app, "/api/describe?run=mine", jpeg, origin=f"http://{HOST}").status == 200


def test_past_the_last_place_the_answer_is_503_with_retry_after(runs_folder, jpeg):
    server = make_app(Runs(folder=runs_folder), Limits(places=2))
    arrived, go_on = threading.Event(), threading.Event()

    async def held():
        arrived.set()
        await asyncio.to_thread(go_on.wait)
        return {"type": "http.request", "body": jpeg, "more_body": False}

    async def three():
        address = "/api/describe?run=mine"
        held_ones = [asyncio.create_task(ask(server, "POST", address, receive=held)) for _ in range(2)]
        while not arrived.is_set():
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        refused = await ask(server, "POST", address, jpeg)
        read = await ask(server, "GET", "/api/runs")  # which does not wait for models
        go_on.set()
        return refused, read, await asyncio.gather(*held_ones)

    refused, read, served = asyncio.run(three())
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) == refused.error["retry_after"] >= 1
    assert read.status == 200
    assert [response.status for response in served] == [200, 200]


def test_a_fault_of_the_server_tells_nothing_about_it(monkeypatch, runs_folder, jpeg):
    server = make_app(Runs(folder=runs_folder))
    monkeypatch.setattr("minicap.web.app.describe", lambda *_: {}["secret"])

    async def keep_error():
        found = []

        async def send(message):
            found.append(message)

        with pytest.raises(KeyError):  # for the terminal
            await server(*_scope(jpeg), send)
        return found

    start, body = asyncio.run(keep_error())
    assert start["status"] == 500
    assert b"secret" not in body["body"]
    assert json.loads(body["body"])["error"]["code"] == "fault"


def _scope(photo):
    async def receive():
        return {"type": "http.request", "body": photo, "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/describe",
        "raw_path": b"/api/describe",
        "query_string": b"run=mine",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
        "http_version": "1.1",
    }
    return scope, receive


def test_the_app_starts_and_ends(runs_folder):
    async def life():
        incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        outgoing = []

        async def receive():
            return next(incoming)

        async def send(message):
            outgoing.append(message["type"])

        await make_app(Runs())({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
        return outgoing

    assert asyncio.run(life()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_every_example_of_the_description_is_a_request_that_is_known(spec):
    for path, methods in spec["paths"].items():
        for operation in methods.values():
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            for query in re.findall(r"\?([^\"]+)\"", operation["x-example"]):
                assert {pair.partition("=")[0] for pair in query.split("&")} <= names, path
