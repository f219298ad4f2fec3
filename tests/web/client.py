"""Requests straight into an ASGI app: no port, no other thread, no waiting."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

HOST = "127.0.0.1:8000"


class Response(NamedTuple):
    """headers: by their names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json()["error"]


async def ask(
    app: Any,
    method: str,
    address: str,
    body: bytes | Iterable[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    receive: Callable[[], Awaitable[dict[str, Any]]] | None = None,
) -> Response:
    """body: in one piece or in several.  receive: in its place, what the app awaits for the body.

    A header that is None is left out.
    """
    path, _, query = address.partition("?")
    pieces = [body] if isinstance(body, bytes) else list(body)
    sent = {"host": HOST, "content-length": str(sum(map(len, pieces)))} | dict(headers or {})
    messages = iter(
        {"type": "http.request", "body": piece, "more_body": n < len(pieces)}
        for n, piece in enumerate(pieces, start=1)
    )

    async def next_piece() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in sent.items() if v is not None],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    found: list[dict[str, Any]] = []

    async def keep(message: dict[str, Any]) -> None:
        found.append(message)

    await app(scope, receive or next_piece, keep)
    start, *rest = found
    decoded = {k.decode(): v.decode() for k, v in start["headers"]}
    assert len(decoded) == len(start["headers"]), "a header is sent twice"
    return Response(start["status"], decoded, b"".join(message.get("body", b"") for message in rest))


def get(app: Any, address: str, **headers: str) -> Response:
    return asyncio.run(ask(app, "GET", address, headers=headers))


def post(app: Any, address: str, body: bytes = b"", **headers: str) -> Response:
    return asyncio.run(ask(app, "POST", address, body, {k.replace("_", "-"): v for k, v in headers.items()}))


def form(name: str, content: bytes) -> tuple[bytes, str]:
    """A form with one file, and its content type."""
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="p.jpg"\r\n\r\n'.encode()
    return head + content + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"
