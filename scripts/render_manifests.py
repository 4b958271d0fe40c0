# ruff: noqa: INP001 - a script, not a package
"""Writes what in manifests/ comes out of the charts, for people without Helm: `make render`.

The charts are the truth; nothing is decided here. A file holds what one folder of the chart's
templates renders to. Plain Jobs are the templates of the chart's suspended CronJobs, and the pod of
`helm test`, for skaffold's verify. Helm's own test hooks are left out.
"""

import argparse
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
NAMESPACE = "isogloss"
KUBERNETES = "1.34.0"  # the oldest that CI runs on; the charts render the same for newer ones
MONITORS = ("serviceMonitor", "podMonitor", "prometheusRule")
NO_DIGEST = "sha256:" + 64 * "0"  # what the chart's templates of evaluate name, as nothing is known
HEADER = "# Rendered from {chart} by `make render`: change the chart instead.\n"


def main() -> None:
    """Render everything; what was rendered before and is no longer made goes."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--helm", required=True, help="the program")
    options.add_argument("--into", type=Path, default=ROOT / "manifests")
    chosen = options.parse_args()
    render_all(chosen.helm, chosen.into)


def render_all(helm: str, into: Path) -> None:
    """Write bases, component and Jobs below a folder."""
    parts = _render(helm, "isogloss", f"--values={ROOT}/manifests/base/values.yaml")
    tests = list(map(yaml.safe_load, parts.pop("tests")))
    _write_base(into / "base/isogloss", "charts/isogloss", parts, ["namespace.yaml"])
    _write_base(into / "base/crds", "charts/isogloss-crds", _render(helm, "isogloss-crds"), [])
    _write_jobs(into / "jobs", [*_jobs(parts["jobs"]), _verification(tests)])
    wanted = [f"--set=metrics.{name}.enabled=true" for name in MONITORS]
    values = f"--values={ROOT}/manifests/base/values.yaml"
    monitoring = _render(helm, "isogloss", values, *wanted)["monitoring"]
    folder = into / "components/monitoring"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "monitoring.yaml").write_text(_file("charts/isogloss", monitoring))


def _render(helm: str, chart: str, *options: str) -> dict[str, list[str]]:
    """Return each part of a chart, named by its folder of templates, as rendered documents."""
    command = [helm, "template", "isogloss", f"{ROOT}/charts/{chart}", "--namespace", NAMESPACE]
    more = ["--kube-version", KUBERNETES, *options]
    answer = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(answer.stderr)
    parts = defaultdict(list)
    for document in re.split(r"^---\n", answer.stdout, flags=re.MULTILINE):
        source = re.match(r"# Source: [^/]+/(?:charts/[^/]+/)?templates/([\w-]+)", document)
        if source:
            parts[source[1]].append(document.split("\n", 1)[1].strip("\n") + "\n")
    return parts


def _write_base(folder: Path, chart: str, parts: dict[str, list[str]], own: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        if old.name not in own:
            old.unlink()
    for name, documents in parts.items():
        (folder / f"{name}.yaml").write_text(_file(chart, documents))
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted([*own, *(f"{name}.yaml" for name in parts)]),
        # Helm does not look after these objects, whatever the chart calls them.
        "labels": [{"pairs": {"app.kubernetes.io/managed-by": "kustomize"}}],
    }
    (folder / "kustomization.yaml").write_text(
        HEADER.format(chart=chart) + yaml.safe_dump(kustomization, sort_keys=False)
    )


def _write_jobs(folder: Path, jobs: Iterable[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        old.unlink()
    for job in jobs:
        name = job["metadata"]["generateName"].removeprefix("isogloss-").rstrip("-")
        text = yaml.safe_dump(job, sort_keys=False, width=100)
        (folder / f"{name}.yaml").write_text(HEADER.format(chart="charts/isogloss") + text)


def _jobs(documents: Iterable[str]) -> list[dict[str, Any]]:
    loaded = map(yaml.safe_load, documents)
    return [_job(document) for document in loaded if document["kind"] == "CronJob"]


def _job(cron_job: dict[str, Any]) -> dict[str, Any]:
    """Return a Job that is what the CronJob would start; each creation makes one of its own."""
    template, metadata = cron_job["spec"]["jobTemplate"], cron_job["metadata"]
    _say_what_to_fill_in(template["spec"]["template"]["spec"])
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            **template["metadata"],
        },
        "spec": template["spec"],
    }


def _verification(tests: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the pod of `helm test` as a Job that carries its script itself."""
    script, pod = (next(t for t in tests if t["kind"] == kind) for kind in ("ConfigMap", "Pod"))
    (container,) = pod["spec"]["containers"]
    (content,) = script["data"].values()
    container["command"] = ["python", "-c", 'import os; exec(os.environ["CHECKS"])']
    container["env"] = [{"name": "CHECKS", "value": content}]
    container["volumeMounts"] = [m for m in container["volumeMounts"] if m["name"] != "checks"]
    pod["spec"]["volumes"] = [v for v in pod["spec"]["volumes"] if v["name"] != "checks"]
    labels, spec = pod["metadata"]["labels"], pod["spec"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": "isogloss-verify-",
            "namespace": pod["metadata"]["namespace"],
            "labels": labels,
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 180,
            "ttlSecondsAfterFinished": 3600,
            "template": {"metadata": {"labels": {**labels}}, "spec": spec},
        },
    }


def _say_what_to_fill_in(pod: dict[str, Any]) -> None:
    """Put the words CANDIDATE and BASELINE where a digest must stand."""
    for container in pod["containers"] + pod.get("initContainers", []):
        word = "BASELINE" if container["name"] == "baseline" else "CANDIDATE"
        if "args" in container:
            container["args"] = [each.replace(NO_DIGEST, word) for each in container["args"]]
        for variable in container.get("env", []):
            if NO_DIGEST in variable.get("value", ""):
                variable["value"] = variable["value"].replace(NO_DIGEST, word)


def _file(chart: str, documents: list[str]) -> str:
    return HEADER.format(chart=chart) + "---\n".join(documents)


if __name__ == "__main__":
    main()
