"""Users' p99 while copies of their requests go to nobody, or to a version that takes 3 s."""

import asyncio
import statistics
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bars import Bar, Report, tell
from processes import answers, envoy_on, free_ports, predictor, running, until, users

from lifecycle.rollouts import Colour, RouteIntent, all_to
from rollout_controller.adapters.envoy import EnvoyGateway, EnvoyPlace
from rollout_controller.route_objects import Route

ROUND_SECONDS = 8
_MODEL = "sentiment"
_GOOD, _VERY_SLOW = "sha256:" + "1" * 64, "sha256:3ec0" + "0" * 60


def measure_shadows(report: Report, directory: Path, rounds: int) -> list[Bar]:
    """Compare users' p99 with a mirror to nobody, to one that takes 3 s, and without one."""
    gateway, admin, nobody, *ports = free_ports(7)
    place = EnvoyPlace("127.0.0.1", gateway, admin, directory, timeout_seconds=10)
    EnvoyGateway(place).prepare()
    blue, green = f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[2]}"
    mirrored = replace(all_to(Colour.BLUE), mirror=Colour.GREEN, mirror_percent=100)
    cases: dict[str, tuple[RouteIntent, str]] = {
        "none": (all_to(Colour.BLUE), green),
        "dead": (mirrored, f"127.0.0.1:{nobody}"),
        "slow": (mirrored, green),
    }
    p99: dict[str, list[float]] = {name: [] for name in cases}
    failed = 0
    with ExitStack() as stack:
        stack.enter_context(running(predictor(ports[0], ports[1], _GOOD)))
        stack.enter_context(running(predictor(ports[2], ports[3], _VERY_SLOW)))
        stack.enter_context(envoy_on(directory, admin))
        until(lambda: answers(ports[0]) and answers(ports[2]), "the predictors")
        for turn in range(rounds):
            for name, (intent, shadow) in cases.items():
                backends = {Colour.BLUE: blue, Colour.GREEN: shadow}
                asyncio.run(put(place, Route(_MODEL, ("*",), intent, backends)))
                with users(directory, gateway, f"{name}-{turn}", ROUND_SECONDS) as load:
                    load.process.wait(60)
                    counts = load.counts()
                p99[name].append(counts["latency_ms"]["p99"])
                failed += counts["failures"] + counts["not_sent"]
                tell(f"mirror {name}: p99 {p99[name][-1]:.2f} ms")
    return _shadow_bars(report, p99, failed)


def _shadow_bars(report: Report, p99: dict[str, list[float]], failed: int) -> list[Bar]:
    middle = {name: statistics.median(values) for name, values in p99.items()}
    said = {"dead": "to nobody", "slow": "to one that takes 3 s"}
    return [
        report.shown("mirror-none-p99-ms", "p99 ms without a mirror, median", middle["none"]),
        *(
            report.at_most(
                f"mirror-{name}-ratio",
                f"users' p99 with a mirror {said[name]} over p99 without one, medians of rounds",
                1.2,
                middle[name] / middle["none"],
            )
            for name in said
        ),
        report.at_most("mirror-failed", "failed requests meanwhile", 0, failed),
    ]


async def put(place: EnvoyPlace, route: Route) -> None:
    """Write a route and wait until it is in effect."""
    gateway = EnvoyGateway(place)
    gateway.prepare()
    await gateway.write(route, None)
    effect = await gateway.wait_in_effect(route.model, 10)
    await gateway.close()
    if not effect.reached:
        raise RuntimeError(effect.reason)
