"""The OpenAPI document, and the service while two versions are paired and events come."""

import anyio.from_thread
import httpx
import pytest

from drift_monitor.app import create_app
from drift_monitor.quiet import Effort
from servicekit.process import Health

BASELINE, CANDIDATE = "sha256:" + "b" * 64, "sha256:" + "c" * 64
TOKEN = "everybody"


@pytest.fixture(scope="module")
def app(lasting):
    settings, references = lasting
    app = create_app(settings, Health(), lambda: 1000.0, references, Effort(windows=500, paths=20))
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        app.state.portal = portal
        yield app


@pytest.fixture(scope="module")
def ask(app):
    async def request(method, path, headers, body):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://monitor") as client:
            return await client.request(method, path, headers=headers, content=body)

    return lambda *asked: app.state.portal.call(request, *asked)


@pytest.fixture(scope="module")
def fuzz(app, ask, openapi_fuzz, traffic, packed):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for name, version in (("b-1", BASELINE), ("c-1", CANDIDATE)):
        batch = packed(traffic().document(40, batch_id=name, version=version))
        assert ask("POST", "/v1/events", headers, batch).status_code == 200
    here = {
        "model": "sentiment",
        "rollout": "r1",
        "digest": BASELINE,
        "baseline": BASELINE,
        "candidate": CANDIDATE,
        "until": 700.5,
        "request_id": "request-1",
        "label": "positive",
    }

    def known(name, value):
        return here[name] if name in here and openapi_fuzz.often(value) else value

    return openapi_fuzz.Fuzz(app.openapi(), ask, TOKEN, known)


def test_every_answer_is_one_of_the_documents_and_no_fault(app, fuzz):
    fuzz.check_answers(app, {200, 404, 422})


def test_what_needs_a_token_in_the_document_needs_one(fuzz):
    fuzz.check_tokens()


@pytest.mark.parametrize("until", ["nan", "inf", "-inf", "1e999"])
def test_a_time_that_is_none_is_refused(ask, until):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    written = b'{"summary": "s", "facts": "{}", "page": "<p>"}'

    answer = ask("PUT", f"/v1/models/sentiment/reports/{until}", headers, written)

    assert answer.status_code == 422
