"""The images as a cluster runs them: unprivileged, on a root file system that cannot be written."""

import json
from dataclasses import dataclass

import pytest

from load import REPOSITORY, TAG

pytestmark = pytest.mark.cluster

SBOM = "/usr/share/sbom/isogloss.cdx.json"
# What an image tells of itself, as one JSON object. Its own files are beyond the base image.
FACTS = """
import json, os, pathlib, shutil, sysconfig
own = [p for top in ("/opt", "/usr/share/sbom") for p in pathlib.Path(top).rglob("*")]
site = pathlib.Path(sysconfig.get_path("purelib"))
members = ("isogloss", "inference", "registry_proxy", "drift_monitor", "rollout_controller",
           "training_jobs", "lifecycle", "stats", "textmodels", "servicekit")
try:
    pathlib.Path("/opt/isogloss/new").touch()
    wrote = True
except OSError:
    wrote = False
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "bytes": sum(p.lstat().st_size for p in own if not p.is_dir()),
    "wrote": wrote,
    "tools": [tool for tool in ("gcc", "cc", "uv", "pip", "hatchling") if shutil.which(tool)],
    "pip": (site / "pip").is_dir(),
    "tests": [str(p) for name in members for p in (site / name).rglob("tests")],
    "scorer": [p.name for p in (site / "textmodels").rglob("_scorer*.so")],
    "uncompiled": [str(p) for name in members for p in (site / name).rglob("*.py")
                   if not list((p.parent / "__pycache__").glob(p.stem + ".*.pyc"))],
    "sbom": json.loads(pathlib.Path("SBOM").read_text()),
}))
""".replace("SBOM", SBOM)


@dataclass(frozen=True)
class Image:
    name: str
    begins: str
    """What its process says when it is started without a word of configuration."""
    megabytes: int
    """At most so many beyond the base image: what was measured and a tenth, but inference's bar."""
    tag: str = TAG


REFUSED = "is not set: it is required"
IMAGES = [
    Image("inference", REFUSED, 200),
    Image("inference", REFUSED, 380, f"{TAG}-sklearn"),
    Image("registry-proxy", REFUSED, 340),
    Image("drift-monitor", REFUSED, 340),
    Image("rollout-controller", REFUSED, 310),
    Image("training-jobs", "python -m training_jobs", 950, f"{TAG}-sklearn"),
    Image("cli", "From labelled texts to a model", 260),
]


def pod(image, containers):
    restricted = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - in the pod
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": image.name},
        "spec": {
            "restartPolicy": "Never",
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "containers": [
                {
                    "name": name,
                    "image": f"{REPOSITORY}/{image.name}:{image.tag}",
                    "securityContext": restricted,
                    "volumeMounts": mounts,
                    **given,
                }
                for name, given in containers.items()
            ],
        },
    }


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: f"{image.name}:{image.tag}")
def test_an_image_is_small_unprivileged_and_says_what_is_in_it(
    image, namespace, kubectl, eventually
):
    tells = {"command": ["python", "-c", FACTS]}
    namespace.apply(pod(image, {"facts": tells, "process": {}}))
    ended = {"Succeeded", "Failed"}
    eventually(lambda: namespace.get("pod", image.name)["status"].get("phase") in ended, seconds=90)

    def said(container):
        return kubectl("logs", image.name, "--container", container, "-n", namespace.name)

    facts = json.loads(said("facts"))
    listed = {component["name"] for component in facts["sbom"]["components"]}

    assert image.begins in said("process")
    assert facts["ids"] == [999, 999]
    assert facts["bytes"] <= image.megabytes * 1_000_000
    assert not facts["wrote"]
    assert not facts["tests"]
    assert not facts["uncompiled"]
    assert {"pydantic", "libc6", "python", "isogloss-servicekit"} <= listed
    if image.name in {"inference", "training-jobs"}:
        assert len(facts["scorer"]) == 1
    # A job fetches data that is published as packages by pip; nobody else installs anything.
    assert facts["pip"] == (image.name == "training-jobs")
    assert not set(facts["tools"]) - ({"pip"} if facts["pip"] else set())
