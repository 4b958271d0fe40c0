"""What runs, what does not, why, and what to do: one row a process, one row a model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from isogloss.adapters.gateway import envoy_binary
from isogloss.adapters.http import ReadyPage
from isogloss.adapters.processes import Processes
from isogloss.addresses import remembered_addresses
from isogloss.connections import connect
from isogloss.failures import Failure
from isogloss.homes import Home
from isogloss.launches import Launch, PlatformOptions, envoy_launch, platform_launches
from isogloss.output import Table, short


@dataclass(frozen=True)
class ProcessStatus:
    """One process. `state` is ready, not ready, dead or stopped, and running for predictors and
    jobs, whose readiness is the rollout-controller's to know; `reason` says what is the matter.
    """

    name: str
    state: str
    pid: int | None
    address: str
    reason: str


@dataclass(frozen=True)
class PlatformStatus:
    """All processes and the models that are served."""

    home: str
    processes: tuple[ProcessStatus, ...]
    models: tuple[Any, ...]

    @property
    def ready(self) -> bool:
        """Tell whether every process of the platform is ready."""
        return all(process.state in ("ready", "running") for process in self.processes)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "ready": self.ready}

    def tables(self) -> list[Table]:
        """Return the processes, and the models where there are any."""
        columns = ("process", "state", "pid", "address", "reason")
        rows = [(p.name, p.state, str(p.pid or "-"), p.address, p.reason) for p in self.processes]
        models = [model_row(model) for model in self.models]
        tables = [Table(columns, rows)]
        return [*tables, Table(MODEL_COLUMNS, models)] if models else tables


MODEL_COLUMNS = ("model", "production", "rollout", "route")


def model_row(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a model's row: who has PRODUCTION, the Phase, where the traffic goes."""
    state, serving = model["state"], model["serving"] or {}
    held = next((v for v in state["versions"] if v["stage"] == "PRODUCTION"), None)
    production = f"{held['number']} ({short(held['digest'])})" if held else "-"
    route = serving.get("route") or {}
    traffic = " ".join(f"{key}={value}" for key, value in route.items() if value)
    return state["name"], production, str(serving.get("phase") or "-"), traffic or "-"


def platform_status(home: Home) -> PlatformStatus:
    """Look at every process of the home and, where the platform answers, at its models."""
    running = Processes(home)
    addresses = remembered_addresses(home)
    options = PlatformOptions()
    launches = platform_launches(home, addresses, options)
    launches.append(envoy_launch(home, addresses, envoy_binary()))
    told = [_process_status(launch, running) for launch in launches]
    known = {launch.name for launch in launches}
    told += [_other_status(name, running) for name in running.names() if name not in known]
    return PlatformStatus(str(home.root), tuple(told), tuple(_models(home)))


def address_table(ports: Mapping[str, int]) -> Table:
    """Return where everything listens."""
    shown = [name for name in ports if name != "predictors"]
    return Table(("what", "address"), [(name, f"http://127.0.0.1:{ports[name]}") for name in shown])


def _process_status(launch: Launch, running: Processes) -> ProcessStatus:
    record = running.find(launch.name)
    if record is None:
        recorded = launch.name in running.names()
        state = "dead" if recorded else "stopped"
        log = running.last_lines(launch.name, 1).strip() if recorded else "isogloss up starts it"
        return ProcessStatus(launch.name, state, None, "-", log)
    with ReadyPage(launch.ready_url) as page:
        reason = page.unready_reason()
    state = "not ready" if reason else "ready"
    address = launch.ready_url.rpartition("/")[0]
    return ProcessStatus(launch.name, state, record.pid, address, reason or "")


def _other_status(name: str, running: Processes) -> ProcessStatus:
    record = running.find(name)
    if record is None:
        last = running.last_lines(name, 1).strip()
        return ProcessStatus(name, "dead", None, "-", last)
    return ProcessStatus(name, "running", record.pid, "-", "")


def _models(home: Home) -> list[Any]:
    try:
        with connect(home) as connections:
            states = connections.registry.models()
            return [_model(state, connections.controller) for state in states]
    except Failure:
        return []


def _model(state: Any, controller: Any) -> Any:
    try:
        return {"state": state, "serving": controller.status(state["name"])}
    except Failure as failure:
        return {"state": state, "serving": None, "reason": str(failure)}
