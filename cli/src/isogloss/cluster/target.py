"""A release in a cluster as a target of the commands; see `targets.Target` for the promises."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isogloss.adapters.kubectl import Kubectl
from isogloss.clients.gateway import Gateway
from isogloss.cluster import gateways
from isogloss.cluster.job_documents import PROJECT_PATH, JobWish
from isogloss.cluster.jobs import no_template, run_cluster_job
from isogloss.cluster.kubectl_words import ObjectMissing
from isogloss.cluster.releases import CHART, Release
from isogloss.cluster.status import ClusterStatus, cluster_status
from isogloss.cluster.ways import ForwardedWay, OperatorToken
from isogloss.connections import SERVICES, Connections, connect_along
from isogloss.evaluate import production_of
from isogloss.failures import Misused, Refused
from isogloss.homes import Home
from isogloss.jobs import conclude
from isogloss.output import say
from isogloss.projects import Project
from isogloss.targets import Tell

_ROUTES = "httproutes.gateway.networking.k8s.io"
_GATEWAYS = "gateways.gateway.networking.k8s.io"
_OURS = "--selector=app.kubernetes.io/managed-by=isogloss-rollout-controller"
_CANDIDATE_URL, _BASELINE_URL = "http://127.0.0.1:8400", "http://127.0.0.1:8410"
"""Where the template's sidecars listen."""


class Cluster:
    """One Helm release; `project_image` None is the one that the release names."""

    after_interrupt = "isogloss status shows what runs"

    def __init__(
        self, kubectl: Kubectl, release: Release, project_image: str | None, home: Home
    ) -> None:
        self._kubectl = kubectl
        self._release = release
        self._project_image = project_image
        self._home = home

    def connect(self) -> Connections:
        """Return clients on port-forwards that are opened when they are first used."""
        token = OperatorToken(self._kubectl, self._release)
        registry, controller, drift = (
            ForwardedWay(self._kubectl, self._release, service, token) for service in SERVICES
        )
        return connect_along(registry, controller, drift)

    def gateway(self, host: str | None) -> Gateway:
        """Return the address of the Gateway that the model's route is attached to."""
        route = gateways.route_for(self._kubectl.items(_ROUTES, _OURS), host)
        namespace, name, listener = gateways.gateway_of(route)
        try:
            found = self._kubectl.get(f"{_GATEWAYS}/{name}", f"--namespace={namespace}")
        except Refused as refused:
            raise Refused(f"{refused}. {gateways.GIVE_ADDRESS}") from refused
        return Gateway(
            gateways.address_of(found, listener),
            host or gateways.host_of(route),
            f"where it can be reached otherwise, {gateways.GIVE_ADDRESS}",
        )

    def serve_as(self, project: Project) -> None:
        """Apply the ServedModel; fields of other managers stay theirs."""
        self._kubectl.apply(project.served_model.decode())

    def project_path(self, directory: Path | None) -> str:
        """Return where the job finds the project's image copied to."""
        if directory is not None:
            image = self._project_image or "that the release names"
            say(f"{directory} is not sent: in a cluster the project is the image {image}")
        return PROJECT_PATH

    def run_job(self, arguments: Sequence[str], tell: Tell, *, may_fail: bool = False) -> Any:
        """Run a Job made from the release's template of that name."""
        wish = JobWish(arguments, self._project_image)
        return self._run(arguments[0], wish, tell, may_fail=may_fail)

    def evaluate(self, connections: Connections, model: str, version: str, tell: Tell) -> Any:
        """Run the gate's Job with the versions beside it as sidecars."""
        digest = connections.registry.version(model, version)["digest"]
        production = production_of(connections.registry.model(model))
        arguments = ["evaluate", "--model", model, "--version", digest]
        arguments += ["--candidate-url", _CANDIDATE_URL]
        served = {"candidate": digest}
        if production and production["digest"] != digest:
            arguments += ["--baseline-url", _BASELINE_URL]
            served["baseline"] = production["digest"]
        template = "evaluate" if "baseline" in served else "evaluate-first"
        wish = JobWish(arguments, self._project_image, model, served)
        return self._run(template, wish, tell)

    def status(self) -> ClusterStatus:
        """Look at every workload, and at every model that has a ServedModel."""
        with self.connect() as connections:
            return cluster_status(self._kubectl, self._release, connections)

    def home_for(self, verb: str) -> Home:
        """Refuse: what works on this machine's processes has no meaning here. Only what a CI keeps
        between its steps lies on this machine, too.
        """
        if verb == "ci":
            return self._home
        raise Misused(f"isogloss {verb} is for the platform of this machine. {_INSTEAD[verb]}")

    def _run(self, part: str, wish: JobWish, tell: Tell, *, may_fail: bool = False) -> Any:
        template = self._release.object(part)
        try:
            ending = run_cluster_job(self._kubectl, template, wish, tell)
        except ObjectMissing as missing:
            raise no_template(template, missing) from missing
        return conclude(ending, may_fail=may_fail)


_INSTEAD = {
    "up": f"In a cluster: helm install isogloss {CHART} --namespace isogloss --create-namespace",
    "down": "In a cluster: helm uninstall isogloss --namespace isogloss",
    "demo": "In a cluster take its steps one by one: apply, data check, train, models register, "
    "evaluate, models promote, rollout start --watch, predict, rollout rollback",
    "serve": "In a cluster: apply, then rollout start; leave out --cluster to serve here",
}
