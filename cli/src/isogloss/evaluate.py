"""Measuring a version for its offline Gates: over HTTP, against the version in PRODUCTION.

Both are served by predictors of their own, on free ports, for as long as the job runs: users'
predictors are left alone, and their traffic does not disturb the latencies.
"""

import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from isogloss.adapters.processes import Processes
from isogloss.adapters.sockets import free_ports
from isogloss.addresses import remembered_addresses
from isogloss.connections import Connections
from isogloss.homes import Home
from isogloss.jobs import Job, await_job, start_job
from isogloss.launches import Launch
from isogloss.up import await_page

_READY_LIMIT_SECONDS = 120.0


def evaluate_version(
    home: Home,
    connections: Connections,
    model: str,
    reference: str,
    tell: Callable[[str], None],
) -> Any:
    """Measure, sign and post offline and latency Evidence of a version; return the job's result."""
    with evaluating(home, connections, model, reference) as job:
        return await_job(job, tell)


@contextmanager
def evaluating(home: Home, connections: Connections, model: str, reference: str) -> Iterator[Job]:
    """Serve the versions and run the job beside whatever the block does; it is ended with it."""
    candidate = connections.registry.version(model, reference)
    production = production_of(connections.registry.model(model))
    served = {"--candidate-url": candidate["digest"]}
    if production and production["digest"] != candidate["digest"]:
        served["--baseline-url"] = production["digest"]
    arguments = ["evaluate", "--model", model, "--version", candidate["digest"]]
    running = Processes(home)
    with ExitStack() as started:
        launches: list[Launch] = []
        for option, digest in served.items():
            launch, url = _temporary_predictor(home, model, digest)
            started.callback(running.stop, launch.name)
            running.start(launch.name, launch.command, launch.environment)
            launches.append(launch)
            arguments += [option, url]
        metrics_url = launches[0].ready_url.removesuffix("/readyz")
        arguments += ["--candidate-metrics-url", metrics_url]
        for launch in launches:
            await_page(launch, running, _READY_LIMIT_SECONDS)
        job = start_job(home, arguments)
        started.callback(job.stop)
        yield job


def production_of(state: Mapping[str, Any]) -> Any | None:
    """Return the version in PRODUCTION of a model's state, if there is one."""
    return next((v for v in state["versions"] if v["stage"] == "PRODUCTION"), None)


def predictor_launch(name: str, host: str, settings: Mapping[str, str]) -> tuple[Launch, str]:
    """Return a predictor on two free ports, and the address that it predicts at."""
    port, metrics_port = free_ports(host, 2)
    # No router has to notice that it ends, so it ends at once.
    own = {
        "HOST": host,
        "PORT": str(port),
        "METRICS_PORT": str(metrics_port),
        "SHUTDOWN_DELAY_SECONDS": "0",
    }
    environment = {f"ISOGLOSS_INFERENCE_{k}": v for k, v in {**own, **settings}.items()}
    command = (sys.executable, "-m", "inference")
    ready_url = f"http://{host}:{metrics_port}/readyz"
    return Launch(name, command, environment, ready_url, ()), f"http://{host}:{port}"


def _temporary_predictor(home: Home, model: str, digest: str) -> tuple[Launch, str]:
    addresses = remembered_addresses(home)
    settings = {
        "MODEL": model,
        "ARTIFACT": f"isogloss://{model}@{digest}",
        "REGISTRY_URL": addresses.url("registry-proxy"),
        "TOKEN_FILE": str(home.token("predictor")),
        "CACHE_DIR": str(home.artifact_cache),
    }
    return predictor_launch(f"evaluated-{secrets.token_hex(3)}", addresses.host, settings)
