"""The addresses of the server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from minicap import __version__
from minicap.errors import MinicapError, MissingExtra
from minicap.web.answers import describe, hide
from minicap.web.guard import App, Guard
from minicap.web.limits import Limits
from minicap.web.line import Line
from minicap.web.pages import load_pages, load_photos
from minicap.web.query import Query
from minicap.web.refusal import Refusal
from minicap.web.runs import Run, Runs
from minicap.web.training import Followed, sample_photo
from minicap.web.upload import receive_photo

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    Endpoint = Callable[[Request], Awaitable[Response]]

_MOST_AT_ONCE = 8  # runs that describe one photo
_WIDEST_BEAM = 10


def require_web() -> None:
    """Raise MissingExtra when the packages of the extra "web" are not installed."""
    try:
        import python_multipart  # noqa: F401
        import starlette.applications  # noqa: F401
    except ImportError:
        raise MissingExtra('the server needs some packages: pip install "minicap[web]"') from None


def make_app(runs: Runs, limits: Limits | None = None, names: Collection[str] = ()) -> App:
    """The whole server as an ASGI app.

    names: those it may be called by besides localhost and IP addresses (see Guard).
    Raises MissingExtra when the packages of the extra "web" are not installed.
    """
    require_web()
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    server = Server(runs, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        server.close()

    app = Starlette(
        routes=[Route(path, endpoint, methods=[method]) for method, path, endpoint in server.routes()],
        exception_handlers={
            Refusal: _refused,
            MinicapError: _failed,
            HTTPException: _not_routed,
            Exception: _broken,
        },
        lifespan=lifespan,
    )
    return Guard(app, names)


class Server:
    """The endpoints, and what they share.

    thinking: the line for models.  reading: the line for files of runs, which must not wait for models.
    """

    def __init__(self, runs: Runs, limits: Limits) -> None:
        self.runs, self.limits, self.pages = runs, limits, load_pages() | load_photos()
        self.thinking = Line(limits.places, limits.answer_seconds)
        self.reading = Line(limits.places, limits.answer_seconds)
        self.followed = Followed()

    def close(self) -> None:
        self.thinking.close()
        self.reading.close()

    def routes(self) -> list[tuple[str, str, "Endpoint"]]:
        """Method, path and endpoint of every address."""
        return [
            ("GET", "/", self.page("index.html")),
            ("GET", "/api", self.page("api.html")),
            ("GET", "/api/openapi.json", self.page("openapi.json")),
            ("GET", "/static/{name}", self.static),
            ("GET", "/api/runs", self.list_runs),
            ("POST", "/api/describe", self.describe),
            ("POST", "/api/hide", self.hide),
            ("GET", "/api/progress", self.progress),
            ("GET", "/api/sample", self.sample),
        ]

    def page(self, name: str) -> "Endpoint":
        async def endpoint(request: "Request") -> "Response":
            return self._file(request, name)

        return endpoint

    async def static(self, request: "Request") -> "Response":
        return self._file(request, request.path_params["name"])

    def _file(self, request: "Request", name: str) -> "Response":
        from starlette.responses import Response

        if name not in self.pages:
            raise Refusal(404, "not_found", "there is no such file")
        page = self.pages[name]
        headers = {"ETag": page.etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == page.etag:
            return Response(status_code=304, headers=headers)
        return Response(page.content, media_type=page.media_type, headers=headers)

    async def find(self, name: str) -> Run:
        """Raises Refusal (404) for a name that is not in the table, even after another look."""
        if name not in self.runs.table:
            async with self.reading.place():
                await self.reading.run(self.runs.refresh)
        return self.runs.find(name)

    async def list_runs(self, request: "Request") -> "Response":
        """The runs, and what the server takes on."""
        Query(request.query_params.multi_items())
        async with self.reading.place():
            table = await self.reading.run(self.runs.refresh)
        limits = self.limits
        return _json(
            {
                "version": __version__,
                "runs": [run.to_json() for run in table.values()],
                "defaults": self.runs.defaults(),
                "limits": {
                    "bytes": limits.most_bytes,
                    "pixels": limits.most_pixels,
                    "runs": _MOST_AT_ONCE,
                    "beam": _WIDEST_BEAM,
                },
            }
        )

    async def describe(self, request: "Request") -> "Response":
        """What some runs say about a photo."""
        query = Query(request.query_params.multi_items(), "run", "beam", "top")
        names = query.texts("run") or self.runs.defaults()
        if len(names) > _MOST_AT_ONCE:
            raise Refusal(400, "too_many_runs", f"name at most {_MOST_AT_ONCE} runs")
        runs = [await self.find(name) for name in names]
        beam = query.whole("beam", 3, 1, _WIDEST_BEAM)
        top = query.whole("top", 5, 1, 20)
        async with self.thinking.place():
            photo = await receive_photo(request, self.limits)

            def work() -> list[dict[str, Any]]:
                return [
                    {
                        "run": run.name,
                        "kind": run.kind,
                        **describe(self.runs.model(run), photo, beam, top),
                    }
                    for run in runs
                ]

            return _json({"answers": await self.thinking.run(work)})

    async def hide(self, request: "Request") -> "Response":
        """What hiding parts of a photo changes in a caption."""
        query = Query(request.query_params.multi_items(), "run", "caption")
        run, caption = await self.find(query.text("run")), query.text("caption")
        async with self.thinking.place():
            photo = await receive_photo(request, self.limits)
            answer = await self.thinking.run(lambda: hide(self.runs.model(run), photo, caption))
        return _json({"run": run.name, **answer})

    async def progress(self, request: "Request") -> "Response":
        """The curves of a training, and its sample captions."""
        run = await self.find(Query(request.query_params.multi_items(), "run").text("run"))
        async with self.reading.place():
            return _json(await self.reading.run(lambda: self.followed.progress(run, self.limits.steps)))

    async def sample(self, request: "Request") -> "Response":
        """One of the photos that a training captions after every epoch."""
        from starlette.responses import Response

        query = Query(request.query_params.multi_items(), "run", "photo")
        run, index = await self.find(query.text("run")), query.whole("photo", None, 0, 99)
        async with self.reading.place():
            content = await self.reading.run(lambda: sample_photo(run, index))
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "no-cache"})


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> "Response":
    from starlette.responses import JSONResponse

    return JSONResponse(value, status, {"Cache-Control": "no-store", **(headers or {})})


async def _refused(_: "Request", error: Any) -> "Response":
    return _json(error.body(), error.status, error.headers)


async def _failed(_: "Request", error: Any) -> "Response":
    """What minicap itself refuses, such as options that contradict each other."""
    return _json(Refusal(422, "cannot_answer", str(error)).body(), 422)


async def _not_routed(_: "Request", error: Any) -> "Response":
    """No such address, or another method."""
    message = f"{error.detail}; /api lists the addresses"
    return _json(Refusal(error.status_code, "not_found", message).body(), error.status_code, error.headers)


async def _broken(_: "Request", error: Exception) -> "Response":
    """A fault of the server, whose traceback goes to its terminal alone."""
    refusal = Refusal(500, "fault", "the server made a mistake; its terminal says which")
    return _json(refusal.body(), 500)
