"""The OpenAPI document, and the service on a ledger in which something is going on."""

import pytest

EVERYTHING = ("operator", "trainer", "gate", "drift-monitor", "rollout-controller", "approver")


@pytest.fixture(scope="module")
def busy_world(lasting_world):
    """A version in PRODUCTION, one in CANARY, one registered, and a run that nobody registered."""
    world = lasting_world
    world.add_caller("everybody", *EVERYTHING)
    world.add_caller("nobody")
    world.released("r1")
    world.in_canary("r2")
    world.register("r3")
    world.log("r4")
    return world


@pytest.fixture(scope="module")
def fuzz(busy_world, openapi_fuzz):
    def ask(method, path, headers, body):
        return busy_world.call(method, path, None, headers=headers, content=body)

    token, known = busy_world.tokens["everybody"], known_of(busy_world, openapi_fuzz.often)
    return openapi_fuzz.Fuzz(busy_world.app.openapi(), ask, token, known)


def known_of(world, often):
    state = world.state
    digests = [version["digest"] for version in state["versions"]]
    evidence = state["versions"][1]["evidence"]["offline"]
    here = {
        "m": "sentiment",
        "ref": "2",
        "rollout": state["rollout"]["id"],
        "run_id": "r4",
        "artifact_path": "model",
        "path": "vocabulary.json",
        "move": "REGISTERED->STAGING",
        "gate": "speed",
    }

    def known(name, value):
        if not often(value):
            return value
        if name == "digest":
            return [*digests, *evidence][len(repr(value)) % 4]
        return world.seq if name == "expected_seq" else here.get(name, value)

    return known


def test_every_answer_is_one_of_the_documents_and_no_fault(busy_world, fuzz):
    fuzz.check_answers(busy_world.app, {200, 201, 400, 404, 409, 422})


def test_what_needs_a_token_in_the_document_needs_one(fuzz):
    fuzz.check_tokens()


def test_a_caller_without_a_role_may_only_read(busy_world, fuzz):
    token = busy_world.tokens["nobody"]

    assert fuzz.statuses_for(f"Bearer {token}", methods={"post", "put"}) == {403}
