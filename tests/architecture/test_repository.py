"""What must never be in the tree, and what must not be stale."""

import re
import subprocess
import sys

import pytest

HOSTS = re.compile(
    r"(pypi\.org|pythonhosted\.org|registry\.npmjs|proxy\.golang|crates\.io|deb\.debian)"
)
MACHINE = re.compile(r"(?<![\w.])/(work|root|home)/[a-z.]")
OWN_FILE = "tests/architecture/test_repository.py"
REQUIREMENTS = [
    "requirements-dev.txt",
    "requirements-setup.txt",
    "services/inference/requirements.txt",
    "services/inference/requirements-encoder.txt",
    "services/inference/requirements-sklearn.txt",
    "services/registry-proxy/requirements.txt",
    "services/registry-proxy/requirements-postgresql.txt",
    "services/drift-monitor/requirements.txt",
    "services/rollout-controller/requirements.txt",
    "training-jobs/requirements.txt",
    "training-jobs/requirements-encoder.txt",
    "training-jobs/requirements-tensorflow.txt",
    "cli/requirements.txt",
    *(
        f"benchmarks/serving/peers/{peer}.txt"
        for peer in ("kserve", "mlserver", "bentoml", "litserve", "keras", "torch", "infinity")
    ),
    *(f"benchmarks/drift/peers/{peer}.txt" for peer in ("evidently", "nannyml")),
]


def texts(root, tracked_files):
    for path in tracked_files:
        name = str(path.relative_to(root))
        if name == OWN_FILE or path.suffix in {".png", ".parquet", ".safetensors", ".skops"}:
            continue
        yield name, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("pattern", [HOSTS, MACHINE], ids=["registry host", "machine path"])
def test_no_file_names_a_registry_or_a_path_of_one_machine(root, tracked_files, pattern):
    found = [name for name, text in texts(root, tracked_files) if pattern.search(text)]
    assert not found


def test_no_large_file_is_kept(root, tracked_files):
    large = [
        str(path.relative_to(root))
        for path in tracked_files
        if path.stat().st_size > 400_000 and path.name != "requirements-dev.txt"
    ]
    assert not large


def test_requirements_were_compiled_from_todays_projects(root):
    checked = subprocess.run(
        [sys.executable, root / "scripts" / "lock.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("requirements", REQUIREMENTS)
def test_every_requirement_is_pinned_with_hashes(root, requirements):
    text = (root / requirements).read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9][\w.-]*)==\S+ \\$", text, re.MULTILINE)
    named = re.findall(r"^([a-z0-9][\w.\[\]-]*)[=<> ]", text, re.MULTILINE)

    assert pins
    assert len(named) == len(pins)


@pytest.mark.parametrize(
    "service", ["inference", "drift-monitor", "rollout-controller", "registry-proxy"]
)
def test_no_service_carries_the_training_stack(root, service):
    text = (root / "services" / service / "requirements.txt").read_text(encoding="utf-8")
    for heavy in ("mlflow", "tensorflow", "keras", "pandas", "matplotlib"):
        assert not re.search(rf"^{heavy}[\w-]*==", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("requirements", "engine"),
    [
        ("services/inference/requirements.txt", "scikit-learn|scipy|skops|onnx"),
        ("training-jobs/requirements.txt", "tensorflow|keras|onnx"),
    ],
)
def test_what_a_lane_leaves_out_is_in_its_extra_alone(root, requirements, engine):
    text = (root / requirements).read_text(encoding="utf-8")
    assert not re.search(rf"^(?:{engine})[\w-]*==", text, re.MULTILINE)
