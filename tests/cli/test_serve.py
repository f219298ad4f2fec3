"""minicap serve, up to the moment it would listen."""

import socket
import sys

import pytest

from minicap.cli import main, serve


@pytest.fixture
def served(monkeypatch):
    """What the server is told, in place of a server."""
    calls = []

    class Server:
        def run(self, sockets):
            calls.append(sockets[0].getsockname())
            raise KeyboardInterrupt

    monkeypatch.setattr(serve, "make_app", lambda runs, names: (runs, names))
    monkeypatch.setattr(serve, "_server", lambda app: calls.append(app) or Server())
    return calls


def test_it_listens_on_this_machine_alone_and_says_where(served, capsys):
    assert main(["serve", "--port", "0"]) == 0
    (host, port) = served[1]
    assert host == "127.0.0.1"
    assert capsys.readouterr().out == f"minicap is at http://127.0.0.1:{port}/  (Ctrl-C ends it)\n"


def test_it_knows_the_runs_and_names_it_is_given(served, trained):
    assert main(["serve", str(trained), "--runs", str(trained.parent), "--name", "lab", "--port", "0"]) == 0
    runs, names = served[0]
    assert {name for name, run in runs.table.items() if run.path} == {"run", "run-2"}
    assert names == ["lab"]


def test_listening_to_everyone_is_said_aloud(served, capsys):
    assert main(["serve", "--host", "0.0.0.0", "--port", "0"]) == 0
    assert "Whoever reaches this machine" in capsys.readouterr().out


def test_a_port_that_is_taken_is_reported(served, refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "choose another --port" in refused("serve", "--port", taken.getsockname()[1])


def test_an_address_of_another_machine_is_reported(served, refused):
    assert "cannot listen on 192.0.2.1" in refused("serve", "--host", "192.0.2.1", "--port", "0")


def test_what_is_no_run_is_reported_before_anything_starts(served, refused, tmp_path):
    assert "neither a run folder nor a checkpoint" in refused("serve", tmp_path)
    assert served == []


@pytest.mark.parametrize("missing", ["starlette.applications", "python_multipart", "uvicorn"])
def test_a_missing_package_is_named_with_how_to_get_it(refused, monkeypatch, missing):
    if missing == "uvicorn":
        monkeypatch.setattr(serve, "make_app", lambda *_, **__: None)
    monkeypatch.setitem(sys.modules, missing, None)
    assert 'pip install "minicap[web]"' in refused("serve", "--port", "0")
