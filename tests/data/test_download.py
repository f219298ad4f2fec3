"""Downloads from a server on this machine that does whatever servers do."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from minicap.data import download as module
from minicap.data.download import Download, download
from minicap.errors import FormatError, InputError

CONTENT = bytes(range(256)) * 1000
HALF = len(CONTENT) // 2


class Server(BaseHTTPRequestHandler):
    """Behaves well, unless `moods` has something else for the next request."""

    protocol_version = "HTTP/1.1"
    moods: list[str]
    asked: list[str | None]

    def do_GET(self):
        mood = self.moods.pop(0) if self.moods else "well"
        asked = self.headers.get("Range")
        self.asked.append(asked)
        self.close_connection = True
        if mood.isdecimal():
            return self.send_error(int(mood))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and mood != "ignores ranges" else 0
        content = {"other": CONTENT[::-1], "longer": CONTENT + b"x"}.get(mood, CONTENT)[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str({"says less": 1000}.get(mood, len(content))))
        self.end_headers()
        if mood in ("breaks off", "stalls"):
            content = content[: len(content) // 2]
        if mood != "silent":
            self.wfile.write(content)
            self.wfile.flush()
        if mood in ("stalls", "silent"):
            self.server.patience.wait(10)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    handler = type("Handler", (Server,), {"moods": [], "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.patience, running.daemon_threads = threading.Event(), True
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        handler.url = f"http://127.0.0.1:{running.server_port}/set.bin"
        yield handler
        running.patience.set()
        running.shutdown()


@pytest.fixture
def file(server):
    return Download(server.url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_a_file_comes_with_its_progress_and_is_not_fetched_twice(server, file, tmp_path):
    seen = []
    assert download(file, tmp_path, lambda done, total: seen.append((done, total))) == tmp_path / "set.bin"
    assert only_file(tmp_path).read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    download(file, tmp_path)
    assert server.asked == [None]


def test_a_connection_that_breaks_off_is_taken_up_where_it_was(server, file, tmp_path):
    server.moods += ["breaks off", "breaks off"]
    assert download(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-", f"bytes={HALF + HALF // 2}-"]


def test_a_server_that_stalls_is_left_and_asked_again(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.3)
    server.moods += ["stalls"]
    assert download(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]


def test_a_server_that_stays_silent_is_named(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    server.moods += ["silent"] * 3
    with pytest.raises(InputError, match=r"set\.bin: nothing came for 0\.1 seconds"):
        download(file, tmp_path)


def test_a_server_that_knows_no_ranges_starts_again(server, file, tmp_path):
    server.moods += ["breaks off", "ignores ranges"]
    assert download(file, tmp_path).read_bytes() == CONTENT


def test_a_server_that_says_less_than_it_has_is_asked_for_the_rest(server, file, tmp_path):
    server.moods += ["says less"]
    assert download(file, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("mood", "message"),
    [("other", "its checksum differs"), ("longer", "longer than 256,000 bytes")],
)
def test_another_file_is_refused_and_nothing_of_it_is_left(server, file, tmp_path, mood, message):
    server.moods += [mood]
    with pytest.raises(FormatError, match=f"set.bin: not the expected file: {message}"):
        download(file, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_download_left_is_used(server, file, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(CONTENT[:1000])
    assert download(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]
    assert only_file(tmp_path).name == "set.bin"


@pytest.mark.parametrize("left_over", [b"of another version", bytes(len(CONTENT)), bytes(len(CONTENT) + 5)])
def test_what_does_not_belong_to_the_file_is_thrown_away(server, file, tmp_path, left_over):
    (tmp_path / "set.bin.part").write_bytes(left_over)
    (tmp_path / "set.bin").write_bytes(b"damaged")
    assert download(file, tmp_path).read_bytes() == CONTENT


def test_a_server_in_trouble_is_asked_three_times(server, file, tmp_path):
    server.moods += ["503", "500"]
    assert download(file, tmp_path).read_bytes() == CONTENT
    server.moods += ["503"] * 4
    with pytest.raises(InputError, match=r"the server answers 503 \(Service Unavailable\)"):
        download(file, (tmp_path / "set.bin").replace(tmp_path / "old").parent)
    assert server.moods == ["503"]


def test_a_refusal_is_not_argued_with(server, file, tmp_path):
    server.moods += ["404", "404"]
    with pytest.raises(InputError, match=r"the server answers 404 \(Not Found\)"):
        download(file, tmp_path)
    assert server.moods == ["404"]


def test_a_server_that_is_not_there_is_named(file, server, tmp_path):
    closed = Download("http://127.0.0.1:1/set.bin", file.size, file.sha256)
    with pytest.raises(InputError, match=r"^http://127\.0\.0\.1:1/set\.bin: .*refused"):
        download(closed, tmp_path)


def test_a_folder_that_cannot_be_written_is_named(file, tmp_path):
    with pytest.raises(InputError, match=r"cannot write .*set\.bin\.part"):
        download(file, tmp_path / "no")


def test_an_interrupt_keeps_what_has_come(server, file, tmp_path):
    def interrupt(done, total):
        if done > 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(file, tmp_path, interrupt)
    kept = only_file(tmp_path).stat().st_size
    assert download(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={kept}-"]
