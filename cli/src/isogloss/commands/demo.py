"""demo: the whole story on one machine."""

from pathlib import Path
from typing import Annotated

import typer

from isogloss.addresses import PortWishes, read_single_ports
from isogloss.commands.local import PortOffsetOption, PortOption, PortsFromOption
from isogloss.commands.target import target_of
from isogloss.demo.plans import DemoPlan
from isogloss.demo.run import run_demo
from isogloss.down import stop_platform
from isogloss.failures import Misused
from isogloss.output import say

_EXAMPLE = Path("examples/sentiment")


def add_to(application: typer.Typer) -> None:
    """Join this module's command to the tree."""
    application.command(epilog="Example: isogloss demo --rows 2000")(demo)


def demo(
    ctx: typer.Context,
    project: Annotated[Path, typer.Option(help="The project it tells the story of.")] = _EXAMPLE,
    rows: Annotated[int | None, typer.Option(min=100, help="Train on so many rows only.")] = None,
    policy: Annotated[Path | None, typer.Option(help="A gate policy instead of its own.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Write all counts here as JSON.")] = None,
    down: Annotated[bool, typer.Option("--down", help="Stop what a demo left running.")] = False,
    port: PortOption = [],  # noqa: B006 - typer reads the default, nobody changes it
    ports_from: PortsFromOption = None,
    port_offset: PortOffsetOption = 0,
) -> None:
    """From labelled reviews to a rollback: train, gate, serve, shadow, canary, drills, drift.

    Begins with an empty ledger each time and leaves the services running.
    """
    home = target_of(ctx).home_for("demo")
    if down:
        if not stop_platform(home):
            say(f"nothing of {home.root} is running")
        return
    if not (project / "dataset.yaml").exists():
        raise Misused(
            f"{project} holds no dataset.yaml: run it where the example lies, or give --project"
        )
    wishes = PortWishes(port_offset, ports_from, read_single_ports(port))
    run_demo(DemoPlan(home, project, wishes, rows, policy, summary))
