"""What the ledger staged stays as it is in a real MLflow: artifacts, runs, versions, aliases."""

import itertools
import time

import httpx
import pytest

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
NUMBERS = itertools.count()
TAGS = {"commit": "abc123"}


@pytest.fixture
def guarded(empty_world, mlflow, make):
    """A registry on a real MLflow, with a run of it in STAGING; the run's id stands in `run`."""
    world = empty_world
    world.stop()
    world.model = f"model-{next(NUMBERS)}"  # the server is shared: each test has its own model
    changed = {"mlflow_url": mlflow.url, "aliases_seconds": 0.5}
    world.settings = world.settings.model_copy(update=changed)
    world.start()
    world.put_policy()
    world.run = mlflow.log(make.an_artifact, tags=TAGS)
    world.digest = world.staged(world.run)
    return world


@pytest.fixture
def by_hand(mlflow):
    """Call MLflow itself, behind the door's back."""
    with httpx.Client(base_url=mlflow.url, timeout=60, trust_env=False) as http:
        yield lambda method, call, body: http.request(method, f"{API}/{call}", json=body)


def aliases(world):
    found = world.get(f"{API}/registered-models/get?name={world.model}").json()
    listed = found.get("registered_model", {}).get("aliases", [])
    return {each["alias"]: each["version"] for each in listed}


def until(wanted, world, seconds=30):
    """Wait until the aliases are as wanted; returns how long that took."""
    began = time.monotonic()
    while aliases(world) != wanted:
        assert time.monotonic() - began < seconds, aliases(world)
        time.sleep(0.05)
    return time.monotonic() - began


def put_back(world):
    page = world.get("/metrics", None).text
    series = "isogloss_registry_aliases_put_back_total{"
    counted = [line for line in page.splitlines() if line.startswith(series)]
    return sum(float(line.rpartition(" ")[2]) for line in counted)


def test_aliases_follow_the_ledger_and_are_put_back_when_moved_by_hand(guarded, by_hand):
    until({"staging": "1"}, guarded)
    assert put_back(guarded) == 0
    name = {"name": guarded.model}
    source = f"runs:/{guarded.run}/model"
    by_hand("POST", "model-versions/create", {**name, "source": source, "run_id": guarded.run})

    for change in (
        lambda: by_hand(
            "POST", "registered-models/alias", {**name, "alias": "staging", "version": "2"}
        ),
        lambda: by_hand("DELETE", "registered-models/alias", {**name, "alias": "staging"}),
        lambda: by_hand(
            "POST", "registered-models/alias", {**name, "alias": "Production", "version": "2"}
        ),
    ):
        assert change().status_code == 200
        assert until({"staging": "1"}, guarded) < 10
    deadline = time.monotonic() + 10
    while put_back(guarded) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert put_back(guarded) == 3

    version = guarded.get(f"{API}/model-versions/get?name={guarded.model}&version=1").json()
    tags = {tag["key"]: tag["value"] for tag in version["model_version"]["tags"]}
    assert tags["isogloss.digest"] == guarded.digest
    guarded.transition(guarded.digest, "ARCHIVED")
    until({}, guarded)
    assert put_back(guarded) == 3


def attempts(run, model):
    """Each way to change what was staged, by the route that it takes."""
    root = f"{ARTIFACTS}/0/{run}"
    return {
        "overwrite a file": ("PUT", f"{root}/artifacts/model/model.skops", b"other"),
        "overwrite it by another spelling": ("PUT", f"{root}//./artifacts/model/model.skops", b"x"),
        "overwrite it in capitals": ("PUT", f"{ARTIFACTS}/0/{run.upper()}/artifacts/x", b"x"),
        "overwrite it through the other prefix": (
            *("PUT", f"{root}/artifacts/model/model.skops".replace("/api/", "/ajax-api/"), b"x"),
        ),
        "add a file": ("PUT", f"{root}/artifacts/model/new.txt", b"x"),
        "delete a file": ("DELETE", f"{root}/artifacts/model/model.skops", None),
        "delete the folder": ("DELETE", f"{root}/artifacts", None),
        "delete the run's folder": ("DELETE", root, None),
        "delete the run": ("POST", f"{API}/runs/delete", {"run_id": run}),
        "rename the model": (
            *("POST", f"{API}/registered-models/rename", {"name": model, "new_name": "x"}),
        ),
        "delete the model": ("DELETE", f"{API}/registered-models/delete", {"name": model}),
        "delete the version": (
            *("DELETE", f"{API}/model-versions/delete", {"name": model, "version": "1"}),
        ),
        "move an alias": (
            "POST",
            f"{API}/registered-models/alias",
            {"name": model, "alias": "Staging", "version": "1"},
        ),
        "delete an alias": (
            *(
                "DELETE",
                f"{API}/registered-models/alias",
                {"name": model, "alias": "staging"},
            ),
        ),
    }


def test_what_is_staged_cannot_be_changed_through_the_door(guarded):
    until({"staging": "1"}, guarded)
    kept = f"{ARTIFACTS}/0/{guarded.run}/artifacts/model/model.skops"
    before = guarded.get(kept).content
    accepted = []
    for what, (method, path, body) in attempts(guarded.run, guarded.model).items():
        sent = {"content": body} if isinstance(body, bytes | None) else {"json": body}
        answer = guarded.call(method, path, "trainer", **sent)
        if answer.status_code != 409 or not answer.json()["instead"]:
            accepted.append((what, answer.status_code, answer.text))
    assert not accepted

    assert guarded.get(kept).content == before
    assert aliases(guarded) == {"staging": "1"}


def test_a_run_that_is_not_staged_is_its_authors_still(guarded, mlflow, make):
    other = mlflow.log(make.an_artifact, tags=TAGS)
    place = f"{ARTIFACTS}/0/{other}/artifacts/model/note.txt"

    assert guarded.call("PUT", place, "trainer", content=b"a note").status_code == 200
    assert guarded.get(place).content == b"a note"
    assert guarded.get(place, headers={"range": "bytes=0-0"}).status_code in (200, 206)
    assert guarded.call("DELETE", place, "trainer").status_code == 200
    deleted = guarded.call("POST", f"{API}/runs/delete", "trainer", json={"run_id": other})
    assert deleted.status_code == 200


def test_a_run_has_its_author_from_the_callers_token(guarded):
    body = {"experiment_id": "0", "tags": [{"key": "team", "value": "reviews"}]}
    created = guarded.call("POST", f"{API}/runs/create", "trainer", json=body)

    tags = {tag["key"]: tag["value"] for tag in created.json()["run"]["data"]["tags"]}
    assert tags["isogloss.author"] == "the trainer"
    assert tags["team"] == "reviews"


def test_mlflows_own_refusals_come_through(guarded):
    answer = guarded.get(f"{API}/runs/get?run_id={'0' * 32}")

    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
