"""Failed requests of users while everything is changed that people change."""

from bars import Bar, Report, tell
from stage import Stage, failed, sent

from kube import eventually
from sentiment import MODEL

RATE = 100
DEPLOYABLES = ("registry-proxy", "drift-monitor", "rollout-controller", "mlflow")


def measure_changes(report: Report, stage: Stage) -> list[Bar]:
    """Promote, roll back, restart every deployable, upgrade the chart; count what fails."""
    steps = {
        "promotion and rollback": promote_and_roll_back,
        "rolling restart of every deployable": restart_everything,
        "chart upgrade": upgrade_chart,
    }
    bars = []
    for name, step in steps.items():
        stage.reset()
        with stage.loaded(RATE) as load:
            step(stage)
            counts = load.stop()
        lost = failed(counts)
        tell(f"{name}: {lost} of {counts['requests']} requests failed")
        identity = name.split(maxsplit=1)[0]
        what = f"failed of {sent(counts)}: {name}"
        bars.append(report.at_most(f"failed-{identity}", what, 0, lost))
    return bars


def promote_and_roll_back(stage: Stage) -> None:
    """Roll the second version out to the end, then go back."""
    stage.release.roll_out(MODEL, stage.second)
    stage.release.await_phase(MODEL, "SUCCEEDED")
    stage.release.roll_back(MODEL, "measured")
    stage.release.await_phase(MODEL, "ROLLED_BACK")


def restart_everything(stage: Stage) -> None:
    """Restart the services, then the predictors of both colours."""
    release = stage.release
    names = [f"deployment/{release.name}-{each}" for each in DEPLOYABLES]
    names += [f"deployment/{d['metadata']['name']}" for d in predictors(stage)]
    for name in names:
        release.kubectl("rollout", "restart", name)
        release.kubectl("rollout", "status", name, "--timeout=180s")


def predictors(stage: Stage) -> list[dict]:
    """Return the Deployments of the model's predictors that have pods."""
    items = stage.release.get("deployments", **{"isogloss.dev/model": MODEL})["items"]
    return [each for each in items if each["spec"]["replicas"]]


def upgrade_chart(stage: Stage) -> None:
    """Upgrade to a chart whose pods all differ: other requests, another log level."""
    stage.release.upgrade(
        "--set", "logLevel=debug", "--set", "predictors.resources.requests.cpu=90m"
    )

    def rolled() -> bool:
        states = [each["status"] for each in predictors(stage)]
        return all(
            s.get("updatedReplicas") == s["replicas"] == s.get("readyReplicas") for s in states
        )

    eventually(rolled, 180, every=1)
    stage.release.upgrade()
    eventually(rolled, 180, every=1)
