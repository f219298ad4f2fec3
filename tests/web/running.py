"""The server on a port of its own, for browsers and for load."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minicap.cli.serve import _listening, _server

_LONGEST_START = 60.0  # seconds


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Gives the server's address, such as http://127.0.0.1:1234."""
    server = _server(app)
    with _listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            started = time.monotonic()
            while not server.started:
                assert thread.is_alive(), "the server ended at once"
                assert time.monotonic() - started < _LONGEST_START, "the server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
