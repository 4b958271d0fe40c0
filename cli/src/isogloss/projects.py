"""A user's model project: a directory with dataset.yaml, policy.yaml, served-model.yaml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from isogloss.failures import Refused
from isogloss.files import read_needed
from lifecycle.documents import DocumentRefused
from lifecycle.policy_files import read_policy
from lifecycle.served_models import read_served_model


@dataclass(frozen=True)
class Project:
    """The files that `apply` sends, as they are written, and the model they are about."""

    model: str
    policy: bytes
    served_model: bytes


def load_project(directory: Path, policy: Path | None = None) -> Project:
    """Read and check a project's files; `policy` stands in for its own gate policy.

    Raises Refused with the field that is wrong, before anything is sent anywhere.
    """
    policy_path = policy or directory / "policy.yaml"
    served_path = directory / "served-model.yaml"
    remedy = "a project holds dataset.yaml, policy.yaml and served-model.yaml"
    policy_bytes = read_needed(policy_path, "the gate policy", remedy)
    served_bytes = read_needed(served_path, "the ServedModel", remedy)
    try:
        read_policy(parse_document(policy_bytes, policy_path))
        served_model = read_served_model(parse_document(served_bytes, served_path))
    except DocumentRefused as refused:
        raise Refused(f"{directory}: {refused}") from refused
    return Project(served_model.name, policy_bytes, served_bytes)


def parse_document(content: bytes, path: Path) -> Any:
    """Parse one YAML file; raises Refused."""
    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise Refused(f"{path} is not YAML: {error}") from error
