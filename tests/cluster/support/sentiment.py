"""The example's model on a release: its files, and getting a version from labels to STAGING."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from kube import eventually
from release import ROOT

MODEL = "sentiment"
HERE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Version:
    """A registered version."""

    digest: str
    number: int
    run: str


def served_model(host, **spec):
    """Return the example's ServedModel for the tests' host, with some settings changed."""
    document = yaml.safe_load((ROOT / "examples/sentiment/served-model.yaml").read_text())
    limit = {"latencyMilliseconds": 500, "errorRatio": 0.02}  # slow_ms of e2e-policy.yaml
    document["spec"] |= {"hostnames": [host], "replicas": 2, "objective": limit, **spec}
    return document


def apply_project(release, host, **spec):
    """Give the release the model: how it is served, and its Gates."""
    serve(release, host, **spec)
    policy = (HERE / "e2e-policy.yaml").read_bytes()
    release.asked("registry-proxy", "PUT", f"/v1/models/{MODEL}/policy", policy)


def serve(release, host, **spec):
    """Say how the model is served, and wait until that is known."""
    release.apply(served_model(host, **spec))
    release.await_seen(MODEL)


def train(release, rows, *options):
    """Train as a Job and register as a Job; return the version."""
    family = ("--family", "tfidf_linear", "--rows", str(rows))
    run = release.job("train", ["train", "/workspace", *family, *options])["run_id"]
    made = release.job("register", ["register", "--model", MODEL, "--run", run])
    return Version(made["digest"], made["version"], run)


def evaluate(release, version):
    """Measure a version in a gate Job, beside the one in PRODUCTION; return the job's result."""
    arguments = ["evaluate", "--model", MODEL, "--version", version.digest]
    arguments += ["--candidate-url", "http://127.0.0.1:8400"]
    sidecars = {"candidate": (MODEL, version.digest)}
    baseline = release.production(MODEL)
    if baseline is None:
        return release.job("evaluate-first", arguments, sidecars)
    arguments += ["--baseline-url", "http://127.0.0.1:8410"]
    return release.job("evaluate", arguments, {**sidecars, "baseline": (MODEL, baseline)})


def promote(release, version):
    """Ask for STAGING; return status and answer, since a Gate may refuse."""
    asked = {"digest": version.digest, "to": "STAGING", "expected_seq": release.state(MODEL)["seq"]}
    return release.call("registry-proxy", "POST", f"/v1/models/{MODEL}/transitions", asked)


def waive(release, version, gate, move="REGISTERED->STAGING"):
    """Record a waiver of one Gate, for a drill."""
    waiver = {"digest": version.digest, "gate": gate, "move": move}
    waiver |= {"reason": "a drill", "expires_at": release.now() + 3600}
    release.asked("registry-proxy", "POST", f"/v1/models/{MODEL}/waivers", waiver)


def staged(release, rows, *options):
    """Train, register, evaluate and promote a version to STAGING."""
    version = train(release, rows, *options)
    evaluate(release, version)
    status, answer = promote(release, version)
    assert status == 200, answer
    return version


def roll_out(release, version, *ends, seconds=400):
    """Roll a version out and wait for the end of it; return the status then."""
    release.roll_out(MODEL, version.digest)
    return release.await_phase(MODEL, *ends, seconds=seconds)


def set_aside(release, version):
    """Archive a version, so that the next test begins as this one did."""
    asked = {"digest": version.digest, "to": "ARCHIVED"}
    asked["expected_seq"] = release.state(MODEL)["seq"]
    release.asked("registry-proxy", "POST", f"/v1/models/{MODEL}/transitions", asked)


def back_to_staging(release, digest):
    """Offer a version again that a Rollout has archived; its Evidence still holds."""
    (held,) = [v for v in release.state(MODEL)["versions"] if v["digest"] == digest]
    if held["stage"] != "STAGING":
        status, answer = promote(release, Version(digest, held["number"], ""))
        assert status == 200, answer


def begin_again(release, production, other):
    """Whatever the test before left behind: the one version in PRODUCTION, the other offered."""
    release.abort(MODEL, "the next test begins")
    release.await_phase(MODEL, "SUCCEEDED", "ROLLED_BACK", "ABORTED")
    if release.production(MODEL) != production:
        release.roll_back(MODEL, "the next test begins")
        eventually(lambda: release.production(MODEL) == production, 60)
    eventually(lambda: _idle(release, other), 120, every=0.5)
    back_to_staging(release, other)


def _idle(release, digest):
    """Tell whether nothing of a version is left from the Rollout before."""
    held = {each["digest"] for each in release.status(MODEL)["colours"].values()}
    return digest not in held


@contextmanager
def rolled_out(release, digest, phase):
    """A Rollout of the version that has come to a phase; given up at the end."""
    release.roll_out(MODEL, digest)
    try:
        yield release.await_phase(MODEL, phase)
    finally:
        release.abort(MODEL, "the test is over")
        release.await_phase(MODEL, "ABORTED", "ROLLED_BACK", "SUCCEEDED")
