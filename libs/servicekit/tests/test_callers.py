import hashlib
import json
import os
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI

from servicekit.callers import (
    Caller,
    CallersUnavailable,
    FileRefused,
    TokenFile,
    caller_dependency,
    is_private,
    read_token,
)
from servicekit.problems import install_problem_pages


def write_callers(path, *callers):
    entries = [
        {"name": name, "roles": roles, "sha256": hashlib.sha256(token.encode()).hexdigest()}
        for name, roles, token in callers
    ]
    path.write_text(json.dumps({"callers": entries}))
    path.chmod(0o600)
    return path


@pytest.fixture
def callers(tmp_path):
    path = tmp_path / "callers.json"
    return write_callers(path, ("gate-job", ["gate"], "g"), ("reader", [], "r"))


@pytest.fixture
def client(client_of, callers):
    app = FastAPI()
    install_problem_pages(app)
    tokens = TokenFile(callers)

    @app.get("/evidence")
    async def evidence(
        caller: Annotated[Caller, Depends(caller_dependency(tokens, "gate", "drift-monitor"))],
    ) -> str:
        return caller.name

    @app.get("/state", dependencies=[Depends(caller_dependency(tokens, "viewer"))])
    async def state() -> str:
        return "state"

    return client_of(app)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_caller_with_the_role_is_let_in_and_named(client):
    assert client.get("/evidence", headers=bearer("g")).json() == "gate-job"


def test_every_caller_may_read(client):
    assert client.get("/state", headers=bearer("r")).status_code == 200


@pytest.mark.parametrize("headers", [{}, bearer("x"), {"Authorization": "Basic g"}])
def test_without_a_known_token_the_answer_is_401_with_what_is_needed(client, headers):
    answer = client.get("/evidence", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "gate or drift-monitor" in answer.json()["detail"]


def test_without_the_role_the_answer_is_403_with_what_is_needed(client):
    answer = client.get("/evidence", headers=bearer("r"))

    assert answer.status_code == 403
    assert answer.json()["detail"] == "reader has role viewer; gate or drift-monitor is needed."


def test_when_callers_cannot_be_found_out_the_answer_is_503(client_of):
    class Unreachable:
        async def find(self, _token, _roles):
            raise CallersUnavailable("The API server does not answer: try again.")

    app = FastAPI()
    install_problem_pages(app)
    app.get("/", dependencies=[Depends(caller_dependency(Unreachable(), "viewer"))])(lambda: None)

    answer = client_of(app).get("/", headers=bearer("g"))

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["detail"] == "The API server does not answer: try again."


def test_a_changed_file_counts_without_a_restart(client, callers):
    write_callers(callers, ("new", ["gate"], "n"))
    os.utime(callers, ns=(1, 1))  # a clock too coarse to tell the two writes apart

    assert client.get("/evidence", headers=bearer("n")).json() == "new"
    assert client.get("/evidence", headers=bearer("g")).status_code == 401


def test_a_file_that_becomes_unusable_leaves_the_callers_read_before(client, callers):
    callers.write_text("{}")
    os.utime(callers, ns=(1, 1))

    assert client.get("/evidence", headers=bearer("g")).status_code == 200


def test_a_file_that_others_can_read_is_refused_by_name(callers):
    callers.chmod(0o640)

    with pytest.raises(FileRefused, match=r"callers\.json has mode 0640: run chmod 0600"):
        TokenFile(callers)


PRIVATE = [
    # mode, owner, reader, owner of the folder
    pytest.param((0o600, 1000, 1000, 1000), True, id="own"),
    pytest.param((0o400, 0, 0, 0), True, id="root's own"),
    pytest.param((0o440, 0, 999, 0), True, id="a Secret in a pod with fsGroup"),
    pytest.param((0o640, 0, 999, 0), True, id="a token in a pod with fsGroup"),
    pytest.param((0o640, 999, 999, 0), True, id="a token of the pod's user"),
    pytest.param((0o440, 0, 0, 0), False, id="root's, with a group, read by root"),
    pytest.param((0o640, 999, 999, 999), False, id="own, with a group"),
    pytest.param((0o660, 0, 999, 0), False, id="the group may write"),
    pytest.param((0o444, 0, 999, 0), False, id="a Secret without fsGroup"),
    pytest.param((0o644, 1000, 1000, 1000), False, id="open"),
]


@pytest.mark.parametrize(("file", "private"), PRIVATE)
def test_a_file_is_private_when_it_is_ours_alone_or_a_pods_secret(file, private):
    assert is_private(*file) is private


@pytest.mark.parametrize("text", ["not json", "{}", '{"callers": [{"name": "x"}]}', "[]"])
def test_a_malformed_file_is_refused_by_name(callers, text):
    callers.write_text(text)

    with pytest.raises(FileRefused, match=r"callers\.json is not of the form"):
        TokenFile(callers)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(FileRefused, match=r"none\.json cannot be read"):
        TokenFile(tmp_path / "none.json")


def test_a_client_reads_its_token_without_the_line_end(tmp_path):
    path = tmp_path / "gate.token"
    path.write_text("secret\n")
    path.chmod(0o600)

    assert read_token(path) == "secret"
