"""What every request passes: whose it is, and what the browser may do with the answer."""

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from minicap.web.refusal import Refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The page loads its own files and talks to its own server; nothing else, not even a style in an attribute.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """An ASGI app around another: checks the Host and the Origin, and adds the security headers.

    A page on another site could let its own name lead to this machine and read the answers (DNS rebinding).
    Its requests carry that name as their Host, so only localhost, IP addresses and `names` are let in.
    Other sites cannot upload either: the Origin of a POST must be this server.
    """

    def __init__(self, app: App, names: Collection[str] = ()) -> None:
        self.app, self.names = app, {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        try:
            self.check(scope["method"], scope["headers"])
        except Refusal as refusal:
            await _send_refusal(refusal, send_guarded)
        else:
            await self.app(scope, receive, send_guarded)

    def check(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Raises Refusal for a Host that is not ours, or an Origin that is not the Host."""
        found: dict[bytes, list[str]] = {b"host": [], b"origin": []}
        for name, value in headers:
            found.get(name, []).append(value.decode("latin-1"))
        hosts, origins = found.values()
        host = _split(f"//{hosts[0]}") if len(hosts) == 1 else None
        if host is None or not self._is_ours(host):
            raise Refusal(
                421,
                "unknown_host",
                "this server answers to localhost, to IP addresses and to the names given with --name",
            )
        if method not in ("GET", "HEAD") and any(_place(origin) != host.netloc for origin in origins):
            raise Refusal(403, "other_origin", "pages of other sites cannot use this server")

    def _is_ours(self, host: SplitResult) -> bool:
        if host.path or host.query or host.fragment or "@" in host.netloc:
            return False
        with suppress(ValueError):
            return bool(ip_address(host.hostname or ""))
        return host.hostname in self.names


def _split(url: str) -> SplitResult | None:
    with suppress(ValueError):
        return urlsplit(url)
    return None


def _place(origin: str) -> str:
    """Host and port of an Origin; empty for one that is opaque or not of the web."""
    found = _split(origin)
    return found.netloc if found and found.scheme in ("http", "https") else ""


async def _send_refusal(refusal: Refusal, send: Send) -> None:
    body = json.dumps(refusal.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
