"""Says what a cluster lacks that Isogloss needs: the one that KUBECONFIG names.

Nothing is changed. What cannot be seen from outside (whether a gateway that lists no features
mirrors) is said as a note; the tests then prove it. Exit status 1 when something is missing.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OWN_PROGRAMS = Path(__file__).resolve().parents[2] / ".isogloss" / "cluster" / "bin"
CRDS = (
    "gatewayclasses.gateway.networking.k8s.io",
    "gateways.gateway.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io",
    "inferenceservices.serving.kserve.io",
    "servingruntimes.serving.kserve.io",
    "clusterstoragecontainers.serving.kserve.io",
)
MIRROR = "HTTPRouteRequestMirror"
STANDARD_MODES = {"Standard", "RawDeployment"}
FIRST_WITH_PERCENT = (1, 3)
"""The Gateway API release whose standard channel has RequestMirror's percent."""

Fetched = dict[str, object]


class Unreachable(Exception):
    """The API server gave no answer to work with."""


def main() -> int:
    """Print what is missing and what is unknown."""
    try:
        missing = [*missing_crds()] or [*missing_gateway(), *missing_kserve()]
        notes = [] if missing else [*unknown_about_gateway()]
    except Unreachable as error:
        missing, notes = [str(error)], []
    for line in missing:
        sys.stderr.write(f"missing: {line}\n")
    for line in notes:
        sys.stdout.write(f"note: {line}\n")
    if not missing:
        sys.stdout.write("The cluster that KUBECONFIG names has what is needed.\n")
    return 1 if missing else 0


def missing_crds() -> Iterator[str]:
    """Yield the custom resources that the cluster does not know."""
    known = {named(crd): crd for crd in fetch("crd")}
    for name in CRDS:
        if name not in known:
            product = "KServe 0.20" if "kserve" in name else "the Gateway API, v1.3 or newer"
            yield f"the resource {name}: install {product}"
    route = known.get("httproutes.gateway.networking.k8s.io")
    if route and release_of(route) < FIRST_WITH_PERCENT:
        yield "RequestMirror with a percent: the Gateway API must be v1.3 or newer"


def missing_gateway() -> Iterator[str]:
    """Yield why no Gateway can take our routes."""
    classes = accepted_classes()
    if not classes:
        yield "an accepted GatewayClass: install a gateway, such as Envoy Gateway"
    elif all(features(each) and MIRROR not in features(each) for each in classes):
        names = ", ".join(map(named, classes))
        yield f"a GatewayClass that mirrors requests: {MIRROR} is not supported by {names}"
    if not any(
        has(gateway, "Programmed") for gateway in fetch("gateways.gateway.networking.k8s.io")
    ):
        yield "a programmed Gateway: create one that takes routes of every namespace"


def unknown_about_gateway() -> Iterator[str]:
    """Yield what the gateway does not tell about itself."""
    for each in accepted_classes():
        if not features(each):
            yield f"GatewayClass {named(each)} lists no features: the tests prove its mirror"


def missing_kserve() -> Iterator[str]:
    """Yield why KServe would not serve as we need it."""
    settings = [c for c in fetch("configmaps") if named(c) == "inferenceservice-config"]
    if not settings:
        yield "KServe's settings: no ConfigMap inferenceservice-config in any namespace"
    for each in settings:
        mode = setting(each, "deploy").get("defaultDeploymentMode")
        if mode not in STANDARD_MODES:
            yield f"KServe in Standard mode: its default mode is {mode}"
        if not setting(each, "ingress").get("disableIngressCreation"):
            yield "KServe without routes of its own: set ingress.disableIngressCreation to true"
    controllers = [d for d in fetch("deployments") if named(d) == "kserve-controller-manager"]
    if not any(has(each, "Available") for each in controllers):
        yield "KServe's controller: no Deployment kserve-controller-manager is available"


def fetch(kind: str) -> list[Fetched]:
    """Return all objects of a kind, in every namespace."""
    kubectl = shutil.which("kubectl", path=f"{OWN_PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    if kubectl is None:
        raise Unreachable("kubectl: install it, or put it on the PATH")
    answer = subprocess.run(
        [kubectl, "get", kind, "--all-namespaces", "--output=json", "--request-timeout=20s"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        reason = answer.stderr.strip().splitlines()[-1]  # the lines above repeat it
        raise Unreachable(f"the cluster itself, {os.environ['KUBECONFIG']}: {reason}")
    items: list[Fetched] = json.loads(answer.stdout)["items"]
    return items


def at(item: object, *path: str) -> object:
    """Return what stands at a path of keys, or None."""
    for key in path:
        item = item.get(key) if isinstance(item, dict) else None
    return item


def named(item: Fetched) -> str:
    """Return an object's name."""
    return str(at(item, "metadata", "name"))


def has(item: Fetched, condition: str) -> bool:
    """Tell whether a condition of the object is True."""
    conditions = at(item, "status", "conditions")
    return isinstance(conditions, list) and any(
        each["type"] == condition and each["status"] == "True" for each in conditions
    )


def accepted_classes() -> list[Fetched]:
    """Return the GatewayClasses that some controller serves."""
    return [c for c in fetch("gatewayclasses.gateway.networking.k8s.io") if has(c, "Accepted")]


def features(gateway_class: Fetched) -> set[str]:
    """Return what a GatewayClass lists; older releases list plain names."""
    listed = at(gateway_class, "status", "supportedFeatures")
    entries = listed if isinstance(listed, list) else []
    return {each["name"] if isinstance(each, dict) else each for each in entries}


def release_of(crd: Fetched) -> tuple[int, ...]:
    """Return the Gateway API's release as numbers, (0,) when it is not said."""
    bundle = at(crd, "metadata", "annotations", "gateway.networking.k8s.io/bundle-version")
    digits = str(bundle or "v0").removeprefix("v").split("-")[0].split(".")
    return tuple(int(part) for part in digits)


def setting(config: Fetched, section: str) -> dict[str, object]:
    """Return one section of KServe's settings, which is JSON in a ConfigMap."""
    section_text = at(config, "data", section)
    parsed: dict[str, object] = json.loads(str(section_text or "{}"))
    return parsed


if __name__ == "__main__":
    sys.exit(main())
