"""Ways to a release's Services: a port-forward each and the operator's token, opened when used."""

from isogloss.adapters.kubectl import Kubectl, PortForward
from isogloss.adapters.processes import steady
from isogloss.cluster.kubectl_words import ObjectMissing
from isogloss.cluster.releases import AUDIENCE, PORTS, Release
from isogloss.failures import Refused, Unreachable

_TOKEN_SECONDS = 3600
_RENEW_AFTER_SECONDS = 1800.0
"""Half of its life: a rollout may be watched for longer than a token lives."""


class OperatorToken:
    """The token of the release's account for people; made when it is first needed."""

    def __init__(self, kubectl: Kubectl, release: Release) -> None:
        self._kubectl = kubectl
        self._release = release
        self._token = ""
        self._made_at = 0.0

    def current(self) -> str:
        """Return a token that is good for a while yet."""
        if not self._token or steady() - self._made_at > _RENEW_AFTER_SECONDS:
            self._made_at = steady()
            self._token = self._make()
        return self._token

    def _make(self) -> str:
        account = self._release.object("operator")
        wishes = [f"--audience={AUDIENCE}", f"--duration={_TOKEN_SECONDS}s"]
        try:
            return self._kubectl.run("create", "token", account, *wishes).strip()
        except ObjectMissing as missing:
            raise no_release(self._kubectl, self._release, missing) from missing


class ForwardedWay:
    """A way through `kubectl port-forward`; a new one when the pod behind it goes away."""

    def __init__(
        self, kubectl: Kubectl, release: Release, service: str, token: OperatorToken
    ) -> None:
        self._kubectl = kubectl
        self._release = release
        self._service = service
        self._token = token
        self._forward: PortForward | None = None

    @property
    def remedy(self) -> str:
        """Say what a person does when nothing answers."""
        return "isogloss status shows which workload is not ready, and why"

    def url(self) -> str:
        """Return the port-forward's address, and open it where there is none that lives."""
        if self._forward and not self._forward.alive():
            self.close()
        if self._forward is None:
            self._forward = self._open()
        return f"http://127.0.0.1:{self._forward.port}"

    def token(self) -> str:
        """Return the operator's token."""
        return self._token.current()

    def lost(self) -> bool:
        """Give the port-forward up: its pod may be gone and another one ready."""
        self.close()
        return True

    def close(self) -> None:
        """End the port-forward."""
        if self._forward:
            self._forward.close()
            self._forward = None

    def _open(self) -> PortForward:
        name = self._release.object(self._service)
        try:
            return self._kubectl.forward(name, PORTS[self._service])
        except ObjectMissing as missing:
            raise no_release(self._kubectl, self._release, missing) from missing
        except Unreachable as error:
            raise Unreachable(f"{self._service}: {error}") from error


def no_release(kubectl: Kubectl, release: Release, missing: ObjectMissing) -> Refused:
    """Return the sentence for a release that is not where it was looked for."""
    return Refused(
        f"there is no release {release.name} in {kubectl.place()} ({missing}). "
        "helm list --all-namespaces shows where it is; -n and --release name it"
    )
