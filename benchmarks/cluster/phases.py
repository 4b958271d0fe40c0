"""Every bad day in every phase of a Rollout: failed production requests.

A disturbance is brought about as a Rollout enters each phase; the Rollout must come to an end by
itself, or by one command, and no user may notice.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import machine
from bars import Bar, Report, tell
from stage import Stage, failed, sent

from kube import eventually, kubectl
from sentiment import MODEL

PHASES = ("PENDING", "SHADOWING", "CANARY", "BAKING")
ENDED = ("SUCCEEDED", "ROLLED_BACK", "ABORTED")
BAD_SECONDS = 5

BadDay = Callable[[Stage], AbstractContextManager[None]]


def measure_phases(report: Report, stage: Stage, names: Sequence[str]) -> Iterator[Bar]:
    """Go through these bad days; one bar each, over all phases."""
    without_end = []
    for name in names:
        stage.reset(bakeSeconds=10)
        with stage.loaded(60) as load:
            seen, end = one_rollout(stage, BAD_DAYS[name])
            counts = load.stop()
        lost = failed(counts)
        tell(f"{name}: in {', '.join(seen)}; then {end}; {lost} of {counts['requests']} failed")
        what = f"failed of {sent(counts)}: {name} in {', '.join(seen)}"
        yield report.at_most(f"bad-day-{name.replace(' ', '-')}", what, 0, lost)
        without_end += [name] if end not in ENDED else []
    what = f"Rollouts without an end, of {len(names)} bad days: {', '.join(without_end) or '-'}"
    yield report.at_most("bad-days-without-end", what, 0, len(without_end))


def one_rollout(stage: Stage, bad_day: BadDay) -> tuple[list[str], str]:
    """Roll out with the bad day in each phase; return the phases it was seen in, and the end."""
    seen: list[str] = []
    stage.release.roll_out(MODEL, stage.second)
    deadline = time.monotonic() + 400
    while (phase := stage.release.status(MODEL)["phase"]) not in ENDED:
        if time.monotonic() > deadline:
            return seen, f"still {phase}"
        if phase in PHASES and phase not in seen:
            seen.append(phase)
            with bad_day(stage):
                time.sleep(BAD_SECONDS)
        time.sleep(0.3)
    return seen, phase


def killed(component: str) -> BadDay:
    """Kill all pods of one of our services."""

    @contextmanager
    def bad_day(stage: Stage) -> Iterator[None]:
        stage.release.kill(component)
        yield

    return bad_day


@contextmanager
def gateway_control_plane_killed(_stage: Stage) -> Iterator[None]:
    """Kill what tells Envoy its routes."""
    where = ("-n", "envoy-gateway", "-l", "control-plane=envoy-gateway")
    kubectl("delete", "pods", *where, "--grace-period=0", "--force")
    yield
    kubectl("rollout", "status", "deployment/envoy-gateway", "-n", "envoy-gateway")


@contextmanager
def kserve_down(_stage: Stage) -> Iterator[None]:
    """Take away KServe and with it the admission webhook of predictor pods."""
    name, where = "deployment/kserve-controller-manager", ("-n", "kserve")
    kubectl("scale", name, *where, "--replicas=0")
    yield
    kubectl("scale", name, *where, "--replicas=1")
    kubectl("rollout", "status", name, *where)


@contextmanager
def certificate_refused(_stage: Stage) -> Iterator[None]:
    """Have the API server refuse the certificate of KServe's webhooks, as an expired one."""
    with machine.webhook_refused():
        yield


@contextmanager
def route_edited(stage: Stage) -> Iterator[None]:
    """Send everything to the version in PRODUCTION's colour by hand: what a tired person does."""
    route = stage.release.get("httproute", MODEL)
    for rule in route["spec"]["rules"]:
        rule["filters"] = []
    for key in ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"):
        route["metadata"].pop(key, None)
    del route["status"]
    stage.release.kubectl("replace", "-f", "-", document=route)
    yield


@contextmanager
def quota_exceeded(stage: Stage) -> Iterator[None]:
    """Allow not one pod more."""
    with stage.release.no_more_pods():
        yield


@contextmanager
def api_server_restarted(_stage: Stage) -> Iterator[None]:
    """Kill the API server and start it again."""
    machine.restart("kube-apiserver")
    yield
    eventually(lambda: kubectl("get", "--raw", "/readyz") == "ok", 60)


@contextmanager
def etcd_slow(_stage: Stage) -> Iterator[None]:
    """Let the data store answer only now and then."""
    with machine.stuttering("etcd"):
        yield


BAD_DAYS: Mapping[str, BadDay] = {
    "admission webhook down": kserve_down,
    "webhook certificate refused": certificate_refused,
    "HTTPRoute edited by hand": route_edited,
    "quota exceeded": quota_exceeded,
    "API server restarted": api_server_restarted,
    "etcd slow": etcd_slow,
    "rollout-controller killed": killed("rollout-controller"),
    "registry-proxy killed": killed("registry-proxy"),
    "drift-monitor killed": killed("drift-monitor"),
    "gateway control plane killed": gateway_control_plane_killed,
}
