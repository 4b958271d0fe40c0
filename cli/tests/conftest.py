"""A home in a temporary directory, a small HTTP server and a small kubectl that answer as they
are told, and the command run as a person runs it.
"""

import json
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from isogloss.__main__ import main
from isogloss.addresses import DEFAULT_PORTS, Addresses, remember_addresses
from isogloss.credentials import create_credentials
from isogloss.homes import Home


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.create()
    return made


class Answering:
    """An HTTP server on a free port. `answers` maps (method, path) to (status, headers, body);
    a callable is called with the request's body; None drops the connection. `seen` are requests.
    """

    def __init__(self):
        self.answers = {}
        self.seen = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._request_class())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that hang up are part of the tests
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def _request_class(self):
        outer = self

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.seen.append((self.command, self.path, dict(self.headers), body))
                answer = outer.answers.get((self.command, self.path), (404, {}, {}))
                if callable(answer):
                    answer = answer(body)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, document = answer
                raw = isinstance(document, bytes)
                content = document if raw else json.dumps(document).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - the server's names

            def log_message(self, *_):
                """Keep the test's output clean."""

        return Request


@pytest.fixture
def server():
    answering = Answering()
    yield answering
    answering.close()


@pytest.fixture
def served_home(home, server):
    """A home whose services all are the test's server."""
    create_credentials(home)
    remember_addresses(home, Addresses(dict.fromkeys(DEFAULT_PORTS, server.port)))
    return home


class StandInKubectl:
    """The program of `stand_in_kubectl.py`, first on the PATH."""

    def __init__(self, folder):
        self.folder = folder
        program = Path(__file__).with_name("stand_in_kubectl.py").read_text()
        (folder / "kubectl").write_text(f"#!{sys.executable}\n{program}")
        (folder / "kubectl").chmod(0o700)

    def answers(self, *answers):
        (self.folder / "answers.json").write_text(json.dumps(answers))

    def calls(self):
        lines = (self.folder / "calls.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def called(self, *words):
        """Return the calls that begin with these words."""
        return [c for c in self.calls() if c["words"][: len(words)] == list(words)]

    def end_what_stays(self):
        (self.folder / "end").touch()


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return StandInKubectl(folder)


@pytest.fixture
def run(monkeypatch, capsys):
    def run_command(*arguments, program=main):
        """Return (exit code, stdout, stderr) of the command."""
        monkeypatch.setattr("sys.argv", ["isogloss", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            program()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run_command
