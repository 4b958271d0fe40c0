"""What the services cost while nobody asks anything of them."""

import json
import time

from bars import Bar, Report
from stage import Stage

from kube import kubectl

SERVICES = ("registry-proxy", "drift-monitor", "rollout-controller")
SECONDS = 60


def measure_idle(report: Report, stage: Stage) -> list[Bar]:
    """Read the kubelets' own counters twice: working sets, and CPU time in between."""
    before = usage(stage)
    time.sleep(SECONDS)
    after = usage(stage)
    memory = sum(after[pod][0] for pod in after) / 2**20
    spent = [after[pod][1] - before[pod][1] for pod in after if pod in before]
    millicores = sum(spent) / SECONDS / 1e6
    pods = f"{len(after)} pods of {', '.join(SERVICES)}"
    return [
        report.at_most("idle-memory-mib", f"MiB working set, idle: {pods}", 1024, memory),
        report.at_most("idle-millicores", f"millicores, idle: {pods}", 150, millicores),
    ]


def usage(stage: Stage) -> dict[str, tuple[int, int]]:
    """Return (working set in bytes, CPU time in ns) of each pod of the services."""
    names = tuple(f"{stage.release.name}-{service}" for service in SERVICES)
    found = {}
    for node in json.loads(kubectl("get", "nodes", "-o", "json"))["items"]:
        path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
        for pod in json.loads(kubectl("get", "--raw", path))["pods"]:
            reference = pod["podRef"]
            mine = reference["namespace"] == stage.release.namespace
            if mine and reference["name"].startswith(names):
                cpu, memory = pod["cpu"], pod["memory"]
                found[reference["name"]] = memory["workingSetBytes"], cpu["usageCoreNanoSeconds"]
    return found
