"""`minicap serve`: a web page for photos and trainings, on this machine."""

import argparse
import socket
from contextlib import suppress
from typing import Any

from minicap.cli.arguments import path, whole
from minicap.errors import InputError, MissingExtra
from minicap.progress import printable
from minicap.web import Runs, make_app

_EVERYWHERE = ("0.0.0.0", "::")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=path, metavar="RUN", help="run folders and checkpoints")
    parser.add_argument(
        "--runs", type=path, metavar="DIR", help="a folder of runs; those begun later appear on the page"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; 0.0.0.0 lets other machines in (default: 127.0.0.1, this one alone)",
    )
    parser.add_argument(
        "--port", type=whole(0, 65535), default=8000, help="0 for any that is free (default: 8000)"
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        dest="names",
        metavar="NAME",
        help="a name of this machine by which browsers may call it; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    app = make_app(Runs(args.paths, args.runs), names=args.names)
    server = _server(app)
    with _listening(args.host, args.port) as listener:
        shown = "localhost" if args.host in _EVERYWHERE else args.host
        shown = f"[{shown}]" if ":" in shown else shown
        if args.host in _EVERYWHERE:
            print("Whoever reaches this machine can use the page; nothing asks for a password.")
        address = f"http://{printable(shown)}:{listener.getsockname()[1]}/"
        print(f"minicap is at {address}  (Ctrl-C ends it)", flush=True)
        with suppress(KeyboardInterrupt):  # the usual end
            server.run(sockets=[listener])
    return 0


def _server(app: Any) -> Any:
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra('the server needs uvicorn: pip install "minicap[web]"') from None
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            limit_concurrency=256,
            timeout_graceful_shutdown=5,
        )
    )


def _listening(host: str, port: int) -> socket.socket:
    """Raises InputError when nobody can listen there."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot listen on {host}, port {port}: {reason}; choose another --port or --host"
        ) from None
