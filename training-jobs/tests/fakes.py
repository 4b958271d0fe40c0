"""What stands in for MLflow, the registry-proxy and a running inference service."""

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lifecycle.digests import sha256_digest
from lifecycle.model_states import ModelState, VersionState
from lifecycle.stages import Stage
from training_jobs.ports import Answer
from training_jobs.refusals import JobRefused


@dataclass
class FakeRun:
    """Implements `ports.TrackedRun` in memory."""

    run_id: str
    tags: dict
    params: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    status: str = "RUNNING"

    def log_params(self, params):
        self.params |= params

    def log_metrics(self, metrics, step=0):
        for name, value in metrics.items():
            self.metrics.setdefault(name, {})[step] = value

    def log_files(self, directory):
        for path in Path(directory).rglob("*"):
            if path.is_file():
                self.files[str(path.relative_to(directory))] = path.read_bytes()


class FakeTracker:
    """Implements `ports.Tracker` in memory; `runs` by (experiment, name)."""

    def __init__(self):
        self.runs = {}

    @contextmanager
    def run(self, experiment, name, tags):
        run = FakeRun(f"{len(self.runs):032x}", dict(tags))
        self.runs[experiment, name] = run
        run.status = "FAILED"
        try:
            yield run
            run.status = "FINISHED"
        except KeyboardInterrupt:
            run.status = "KILLED"
            raise


class FakeRegistry:
    """Implements `ports.Registry` in memory: `states` and `policies` by model."""

    def __init__(self, policy=b"", versions=()):
        self.policies = {"sentiment": policy}
        digest = sha256_digest(policy)
        self.states = {"sentiment": ModelState("sentiment", 1, digest, tuple(versions))}
        self.posted = []

    def model_state(self, model):
        return self.states[model]

    def policy(self, model):
        return self.policies[model]

    def register(self, model, run_id, artifact_path):
        if artifact_path != "model":
            raise JobRefused(f"run {run_id} has no {artifact_path}")
        state = self.states[model]
        known = [v for v in state.versions if v.lineage["run_id"] == run_id]
        version = known[0] if known else a_version(len(state.versions) + 1, run_id=run_id)
        if not known:
            self.states[model] = replace(state, versions=(*state.versions, version))
        described = {"number": version.number, "digest": version.digest, "stage": version.stage}
        return {"version": described, "new": not known}

    def artifact_bytes(self, digest):
        return len(digest)

    def post_evidence(self, model, envelope):
        self.posted.append((model, envelope))
        return sha256_digest(repr(envelope).encode())


def a_version(number=1, stage=Stage.REGISTERED, **lineage):
    """A ModelVersion whose digest is made of its number."""
    digest = sha256_digest(str(number).encode())
    return VersionState(number, digest, stage, 0.0, lineage, {})


def sure_of(label, labels=("negative", "positive"), confidence=0.9):
    """An Answer that gives a label most of the score."""
    rest = (1 - confidence) / (len(labels) - 1)
    return Answer(label, {**dict.fromkeys(labels, rest), label: confidence})


class FakePlace:
    """Implements `ports.PredictorPlace`: `answer` says what it makes of a text (None: nothing), as
    a label or an Answer, `explain` why (None: it explains nothing).
    """

    def __init__(self, answer, explain=None):
        self.answer = answer
        self.explain = explain
        self.opened = 0
        self.memory = 50_000_000

    def memory_bytes(self):
        return self.memory

    def connect(self):
        self.opened += 1
        return FakeConnection(self)


class FakeConnection:
    """Implements `ports.PredictorConnection`."""

    def __init__(self, place):
        self.place = place
        self.closed = False

    def answers(self, texts):
        made = map(self.place.answer, texts)
        return [each if isinstance(each, Answer) else sure_of(each) for each in made]

    def explanations(self, texts):
        return self.place.explain and [self.place.explain(text) for text in texts]

    def is_answered(self, text):
        return self.place.answer(text) is not None

    def close(self):
        self.closed = True
