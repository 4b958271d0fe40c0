"""Starting the local platform: what runs stays, what is dead is started again.

If something does not become ready, whatever this call started is stopped again and the end of
the failed process's log is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from isogloss.adapters import processes
from isogloss.adapters.gateway import envoy_binary
from isogloss.adapters.http import ReadyPage
from isogloss.adapters.locks import sole_command
from isogloss.adapters.processes import Processes
from isogloss.adapters.sockets import is_free, port_owner
from isogloss.addresses import (
    Addresses,
    PortWishes,
    choose_addresses,
    remember_addresses,
    remembered_addresses,
)
from isogloss.credentials import create_credentials
from isogloss.failures import Failure, Refused
from isogloss.homes import Home
from isogloss.launches import (
    STOP_ORDER,
    Launch,
    PlatformOptions,
    envoy_launch,
    platform_launches,
)
from isogloss.output import say, working

# MLflow imports for ten seconds on two busy cores and migrates its database the first time.
_READY_LIMIT_SECONDS = 180.0
_LOOK_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class Started:
    """What `start_platform` did: where everything is, and which processes are new."""

    addresses: Addresses
    new: tuple[str, ...]


def start_platform(home: Home, wishes: PortWishes, options: PlatformOptions) -> Started:
    """Bring every process of the platform to readiness; Refused says what stood in the way."""
    home.create()
    with sole_command(home):
        return _start_platform(home, wishes, options)


def _start_platform(home: Home, wishes: PortWishes, options: PlatformOptions) -> Started:
    running = Processes(home)
    addresses = _addresses(home, wishes, running)
    envoy = envoy_launch(home, addresses, envoy_binary())
    launches = platform_launches(home, addresses, options)
    missing = [launch for launch in [*launches, envoy] if running.find(launch.name) is None]
    _refuse_taken_ports(missing, addresses)
    create_credentials(home)
    remember_addresses(home, addresses)
    try:
        _start([launch for launch in missing if launch is not envoy], running)
        for launch in launches:
            _await_ready(launch, running)
        _start([launch for launch in missing if launch is envoy], running)
        _await_ready(envoy, running)
    except (Failure, KeyboardInterrupt):
        for launch in reversed(missing):
            running.stop(launch.name)
        raise
    return Started(addresses, tuple(launch.name for launch in missing))


def await_page(launch: Launch, running: Processes, limit_seconds: float) -> None:
    """Wait until a started process's readiness page says so; Refused with its log's end."""
    deadline = processes.now() + limit_seconds
    with ReadyPage(launch.ready_url) as page:
        _await(page, launch, running, deadline)


def _await(page: ReadyPage, launch: Launch, running: Processes, deadline: float) -> None:
    while reason := page.unready_reason():
        if running.find(launch.name) is None:
            raise Refused(
                f"{launch.name} stopped before it was ready. The end of its log:\n"
                + running.last_lines(launch.name)
            )
        if processes.now() > deadline:
            raise Refused(
                f"{launch.name} is not ready in time ({reason}). "
                f"The end of its log:\n{running.last_lines(launch.name)}"
            )
        processes.pause(_LOOK_EVERY_SECONDS)


def _addresses(home: Home, wishes: PortWishes, running: Processes) -> Addresses:
    remembered = remembered_addresses(home)
    if not wishes.stated():
        return remembered
    chosen = choose_addresses(wishes)
    alive = [name for name in STOP_ORDER if running.find(name)]
    if alive and chosen != remembered:
        raise Refused(
            f"{', '.join(alive)} of {home.root} run on other ports than asked for; "
            "run isogloss down first, or leave the ports as they are"
        )
    return chosen


def _refuse_taken_ports(missing: Sequence[Launch], addresses: Addresses) -> None:
    taken = [
        f"port {addresses.ports[port]} of {port} is used by {port_owner(addresses.ports[port])}"
        for launch in missing
        for port in launch.ports
        if not is_free(addresses.host, addresses.ports[port])
    ]
    if taken:
        raise Refused(
            "; ".join(taken) + ". Stop what uses it, or choose others: isogloss up "
            "--port gateway=8081, --ports-from 18000, or ISOGLOSS_PORT_OFFSET=1000"
        )


def _start(launches: Sequence[Launch], running: Processes) -> None:
    for launch in launches:
        record = running.start(launch.name, launch.command, launch.environment)
        say(f"{launch.name}: started as pid {record.pid}")


def _await_ready(launch: Launch, running: Processes) -> None:
    with working(f"{launch.name}: waiting until it is ready"):
        await_page(launch, running, _READY_LIMIT_SECONDS)
