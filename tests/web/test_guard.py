"""Who is let in, and what the browser is told."""

import asyncio
import json

import pytest
from web.client import ask

from minicap.web.guard import HEADERS, Guard
from minicap.web.refusal import Refusal


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


def call(method="GET", names=(), **headers):
    return asyncio.run(ask(Guard(hello, names), method, "/", headers=headers))


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:80", "192.168.1.7", "[::1]:8000", "[fe80::1]"],
)
def test_localhost_and_addresses_are_let_in(host):
    assert call(host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "evil@localhost",
        "",
        "[::1",
        "a b",
        "/",
    ],
)
def test_a_name_that_is_not_ours_is_sent_away(host):
    answer = call(host=host)
    assert answer.status == 421
    assert answer.error["code"] == "unknown_host"
    assert "--name" in answer.error["message"]


def test_a_request_without_a_host_or_with_two_is_sent_away():
    assert call(host=None).status == 421
    twice = [(b"host", b"localhost"), (b"host", b"localhost")]
    with pytest.raises(Refusal, match="--name"):
        Guard(hello).check("GET", twice)


def test_the_names_given_are_let_in():
    assert call(names=["Lab-PC"], host="lab-pc:8000").status == 200
    assert call(names=["lab-pc"], host="other-pc:8000").status == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9", "file://", "http://[", ""]
)
def test_another_site_cannot_post(origin):
    answer = call("POST", host="127.0.0.1:8000", origin=origin)
    assert answer.status == 403
    assert answer.error["code"] == "other_origin"


def test_the_page_itself_and_programs_can_post():
    assert call("POST", host="127.0.0.1:8000", origin="http://127.0.0.1:8000").status == 200
    assert call("POST", host="127.0.0.1:8000").status == 200


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_has_the_security_headers(host):
    answer = call(host=host)
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= answer.headers.items()


def test_the_policy_lets_nothing_in_from_elsewhere_and_nothing_inline():
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy


def test_what_is_no_request_passes():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(Guard(app)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]


def test_a_refusal_is_json():
    answer = call(host="evil.example")
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert json.loads(answer.body)["error"]
