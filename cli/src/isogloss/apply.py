"""Giving the platform a project: its gate policy to the ledger, its ServedModel to the
rollout-controller, which watches the directory.
"""

from typing import Any

from isogloss.connections import Connections
from isogloss.files import write_whole
from isogloss.homes import Home
from isogloss.projects import Project


def apply_project(home: Home, connections: Connections, project: Project) -> dict[str, Any]:
    """Send both files; idempotent."""
    recorded = connections.registry.put_policy(project.model, project.policy)
    write_whole(home.served_models / f"{project.model}.yaml", project.served_model)
    return {"model": project.model, "policy": recorded["policy"], "seq": recorded["seq"]}
