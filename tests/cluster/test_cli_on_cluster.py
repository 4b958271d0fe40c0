"""The `isogloss` command against a release: what only real services and kubelets show."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest
import yaml

from kube import eventually
from sentiment import (
    HERE,
    MODEL,
    Version,
    back_to_staging,
    evaluate,
    promote,
    served_model,
    train,
    waive,
)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

PLUGIN = "from isogloss.__main__ import kubectl_plugin; kubectl_plugin()"


def _as_in_a_terminal():
    """What a shell starts in the background ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Command:
    """The command as a person runs it, about one release."""

    release: object

    def start(self, *arguments, plugin=False):
        program = ["-c", PLUGIN] if plugin else ["-m", "isogloss", "--cluster"]
        place = ("--namespace", self.release.namespace, "--release", self.release.name)
        return subprocess.Popen(
            [sys.executable, *program, *place, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_as_in_a_terminal,  # noqa: PLW1509 - no thread of ours runs here
        )

    def run(self, *arguments, plugin=False):
        """Return (exit code, stdout, stderr)."""
        process = self.start(*arguments, plugin=plugin)
        out, said = process.communicate(timeout=600)
        return process.returncode, out, said

    def asked(self, *arguments):
        """Run a verb that must succeed; return its answer."""
        code, out, said = self.run(*arguments, "-o", "json")
        assert code == 0, f"{arguments}: {said}"
        return json.loads(out)

    def asked_to_end(self, *arguments):
        """Run a verb without an answer, which must succeed."""
        code, _, said = self.run(*arguments)
        assert code == 0, f"{arguments}: {said}"

    def jobs(self):
        """Return the names of all Jobs of the release's namespace."""
        return {job["metadata"]["name"] for job in self.release.get("jobs")["items"]}


@pytest.fixture(scope="module")
def command(release):
    return Command(release)


@pytest.fixture(scope="module")
def project(tmp_path_factory, users):
    folder = tmp_path_factory.mktemp("project")
    (folder / "served-model.yaml").write_text(yaml.safe_dump(served_model(users.host)))
    (folder / "policy.yaml").write_bytes((HERE / "e2e-policy.yaml").read_bytes())
    return folder


def test_a_models_ci_checks_the_data_in_a_job(command, project):
    before = command.jobs()
    command.asked_to_end("ci", "schema", project)

    assert any("check-data" in job for job in command.jobs() - before)


@pytest.fixture(scope="module")
def version(command, project):
    """A version that the command alone has brought from labels to STAGING; its digest."""
    command.asked("apply", project)
    assert command.asked("data", "check")["outcome"] == "PASS"
    # A version of its own: the same bytes are the same version.
    family = ("--family", "tfidf_linear", "--set", "C=3", "--rows", 1700)
    run = command.asked("train", *family)
    digest = command.asked("models", "register", MODEL, run["run_id"])["version"]["digest"]
    assert command.asked("evaluate", MODEL, digest)["digest"] == digest
    assert command.asked("models", "promote", MODEL, digest)["version"]["stage"] == "STAGING"
    return digest


@pytest.fixture(scope="module")
def rolled_out(command, release, users, version):
    """The version in PRODUCTION; what was said while the controllers were restarted, too."""
    if release.production(MODEL) is None:
        command.asked_to_end("rollout", "start", MODEL, version, "--watch")
        return ""
    load = users.start(80)
    try:
        watching = command.start("rollout", "start", MODEL, version, "--watch")
        release.await_phase(MODEL, "PENDING", "SHADOWING", "CANARY")
        release.kubectl("rollout", "restart", f"deployment/{release.name}-rollout-controller")
        _, said = watching.communicate(timeout=600)
    finally:
        load.stop()
    assert watching.returncode == 0, said
    return said


def test_status_names_every_workload_and_says_that_it_is_ready(command):
    def ready():
        code, out, _ = command.run("status", "-o", "json", plugin=True)
        return json.loads(out) if code == 0 else None

    status = eventually(ready, 120, every=1)

    names = {workload["name"] for workload in status["workloads"]}
    services = ("registry-proxy", "drift-monitor", "rollout-controller")
    assert names >= {f"{command.release.name}-{service}" for service in services}


def test_a_version_goes_from_labels_to_production_though_the_controllers_restart(
    release, version, rolled_out
):
    assert release.production(MODEL) == version, rolled_out


def test_a_prediction_through_the_gateways_address_names_the_version(command, version, rolled_out):
    code, out, said = command.run("predict", "A wonderful film.", "-o", "json")
    if code == 3:
        assert "--gateway-url" in said
        pytest.skip(f"the Gateway's address is for pods only here: {said}")

    assert code == 0, said
    answer = json.loads(out)
    assert answer["version"] == version, rolled_out
    assert answer["prediction"] in ("positive", "negative")


def test_rollback_needs_no_registry(command, release, version, rolled_out):
    before = [v["digest"] for v in release.state(MODEL)["versions"] if v["stage"] == "ARCHIVED"]
    registry = f"deployment/{release.name}-registry-proxy"
    release.kubectl("scale", registry, "--replicas=0")
    try:
        code, out, said = command.run(
            "rollout", "rollback", MODEL, "--reason", "the registry is away", "-o", "json"
        )
    finally:
        release.kubectl("scale", registry, "--replicas=1")
        release.kubectl("rollout", "status", registry, "--timeout=120s")

    if not rolled_out:  # it was the first version: there is nothing to go back to
        assert code == 1, out
        assert "rollout-controller" in said
        return
    assert code == 0, said
    assert json.loads(out)["to"] in before
    eventually(lambda: release.production(MODEL) != version, 60)
    back_to_staging(release, version)


@pytest.fixture(scope="module")
def known_bad(release):
    """The digest of a version that learnt every label wrong, in STAGING by waivers."""
    drills = [v for v in release.state(MODEL)["versions"] if "drill" in v["lineage"]]
    if drills:
        bad, stage = Version(drills[-1]["digest"], drills[-1]["number"], ""), drills[-1]["stage"]
    else:
        bad, stage = train(release, 1500, "--flip-labels"), "REGISTERED"
        evaluate(release, bad)
    status, answer = promote(release, bad)
    if status == 409:
        reasons = answer["verdict"]["reasons"]
        for gate in sorted({each["gate"] for each in reasons if each["outcome"] != "PASS"}):
            waive(release, bad, gate, f"{stage}->STAGING")
        status, answer = promote(release, bad)
    assert status == 200, answer
    return bad.digest


def test_a_drill_demands_that_a_known_bad_version_is_found_out(
    command, release, users, known_bad, rolled_out
):
    before = release.production(MODEL)
    load = users.start(80)
    try:
        code, _, said = command.run("drill", MODEL, known_bad)
    finally:
        counts = load.stop()

    assert (code, "found out after" in said) == (0, True), (said, rolled_out)
    assert release.production(MODEL) == before
    assert counts["failures"] == 0, counts
    assert known_bad not in counts["versions"]


def test_what_production_answered_twice_measures_its_noise_floor(command, release, rolled_out):
    if not rolled_out:
        pytest.skip("users have sent each text once")
    digest = release.production(MODEL)
    path = f"/v1/models/{MODEL}/versions/{digest}/noise"
    measured = release.asked("drift-monitor", "POST", path)

    assert measured["n"] >= 20
    assert measured["differing"] == 0
    code, out, said = command.run("rollout", "plan", MODEL, "-o", "json")
    assert code == 0, said
    assert json.loads(out)["noise"]["n"] == measured["n"]


def test_ctrl_c_deletes_the_job(command):
    before = command.jobs()
    training = command.start("train", "--family", "tfidf_linear")
    eventually(lambda: command.jobs() - before, 60)

    training.send_signal(signal.SIGINT)
    _, said = training.communicate(timeout=60)

    assert training.returncode == 130
    assert "was deleted" in said
    eventually(lambda: command.jobs() == before, 60)


def test_a_missing_project_image_ends_the_job_with_its_name(command):
    before = command.jobs()
    image = "localhost/isogloss/no-such-project:1"

    code, _, said = command.run("--project-image", image, "data", "check")

    assert code == 1
    assert f"the image {image} of project cannot be had" in said
    eventually(lambda: command.jobs() == before, 60)


def test_a_namespace_without_a_release_is_said_with_where_to_look(namespace):
    command = Command(_Elsewhere(namespace.name))

    for verb in (["status"], ["models", "list"], ["train", "--family", "tfidf_linear"]):
        code, _, said = command.run(*verb)
        assert code == 1
        assert "-n and --release name" in said


@dataclass(frozen=True)
class _Elsewhere:
    namespace: str
    name: str = "isogloss"
