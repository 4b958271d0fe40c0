"""Giving the platform a project: its gate policy to the ledger, and on this machine its
ServedModel to the directory that the rollout-controller watches.
"""

from typing import Any

from isogloss.connections import Connections
from isogloss.files import write_whole
from isogloss.homes import Home
from isogloss.projects import Project


def apply_project(home: Home, connections: Connections, project: Project) -> dict[str, Any]:
    """Send both files; idempotent."""
    applied = apply_policy(connections, project)
    apply_served_model(home, project)
    return applied


def apply_policy(connections: Connections, project: Project) -> dict[str, Any]:
    """Record the gate policy in the ledger, and say which it is."""
    recorded = connections.registry.put_policy(project.model, project.policy)
    return {"model": project.model, "policy": recorded["policy"], "seq": recorded["seq"]}


def apply_served_model(home: Home, project: Project) -> None:
    """Write the ServedModel's file."""
    write_whole(home.served_models / f"{project.model}.yaml", project.served_model)
