"""rollout plan and rollout noise: what a Rollout will need, asked before it starts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from isogloss.adapters.processes import now, pause
from isogloss.clients.gateway import ask_all
from isogloss.commands.target import target_of
from isogloss.connections import Connections
from isogloss.failures import Refused
from isogloss.forecasts import (
    forecast_table,
    step_lines,
    traffic_of,
    wait_lines,
    with_hours,
)
from isogloss.lineage import in_production
from isogloss.load.texts import read_texts
from isogloss.output import Format, FormatOption, Table, say, show

_COUNTED_WITHIN_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.5


def add_to(commands: typer.Typer) -> None:
    """Join this module's commands to `rollout`."""
    commands.command(epilog="Example: isogloss rollout plan sentiment --mirror 20")(plan)
    commands.command(epilog="Example: isogloss rollout noise sentiment reviews.parquet")(noise)


def plan(
    ctx: typer.Context,
    model: str,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Texts a second, instead of the last day's.")
    ] = None,
    mirror: Annotated[float, typer.Option(min=1, max=100, help="Percent mirrored.")] = 100,
    canary: Annotated[float, typer.Option(min=1, max=99, help="Percent of its first step.")] = 10,
    power: Annotated[float, typer.Option(min=0.5, max=0.99, help="How sure to decide.")] = 0.8,
    output: FormatOption = Format.TABLE,
) -> None:
    """Say how many rows and hours each limit of a Rollout needs; exits 1 where one never can.

    So it is with a limit under the noise floor that `rollout noise` measured, and with Gates that
    have nothing to decide on, which `rollout start` refuses, too.
    """
    connections = ctx.with_resource(target_of(ctx).connect())
    asked = connections.registry.plan(model, power, canary / 100)
    digest = in_production(connections.registry.model(model))["digest"]
    page = connections.drift.traffic(model, digest)
    if rate is not None:
        page = _at_rate(page, rate)
    rules = with_hours(asked, traffic_of(page, mirror, canary))
    outlook = connections.controller.plan(model)
    told = {"traffic": page, "gates": asked["gates"], "rules": rules, **outlook}
    show(told, output, lambda: forecast_table(rules))
    if output is Format.TABLE:
        rate_line = f"at {page['texts_per_second']:.3g} texts a second"
        for line in (rate_line, *wait_lines(asked), *step_lines(outlook)):
            say(line)
    for line in outlook["refused"]:
        say(f"refused: {line}")
    if outlook["refused"]:
        raise typer.Exit(1)


def noise(
    ctx: typer.Context,
    model: str,
    texts: Annotated[Path, typer.Argument(help="A .parquet, .csv or .jsonl file with texts.")],
    number: Annotated[int, typer.Option(min=20, max=20_000, help="Texts to send twice.")] = 500,
    host: Annotated[str | None, typer.Option(help="Host name that the model answers to.")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Send texts twice to what is in PRODUCTION, and keep how often it differs from itself."""
    connections = ctx.with_resource(target_of(ctx).connect())
    digest = in_production(connections.registry.model(model))["digest"]
    chosen = [each.text for each in read_texts(texts)[:number]]
    gateway = target_of(ctx).gateway(host)
    for _ in range(2):
        ask_all(gateway, chosen)
    found = _measured(connections, model, digest, len(set(chosen)))
    rows = [(key, str(value)) for key, value in found.items()]
    show(found, output, lambda: Table(("noise", "value"), rows))


def _measured(connections: Connections, model: str, digest: str, wanted: int) -> Any:
    """Wait until what was sent is counted: events come a little later than answers."""
    deadline = now() + _COUNTED_WITHIN_SECONDS
    while True:
        try:
            found = connections.drift.measure_noise(model, digest)
            if found["n"] >= wanted or now() > deadline:
                return found
        except Refused:
            if now() > deadline:
                raise
        pause(_LOOK_EVERY_SECONDS)


def _at_rate(page: Any, rate: float) -> Any:
    """Scale the traffic, with its Slices, to another rate."""
    before = page["texts_per_second"]
    scale = rate / before if before else 0.0
    slices = {name: each * scale for name, each in page["slices"].items()}
    return {**page, "texts_per_second": rate, "slices": slices}
