"""up, down, status, serve: what runs."""

from pathlib import Path
from typing import Annotated

import typer

from isogloss.addresses import PortWishes, read_single_ports
from isogloss.commands.target import target_of
from isogloss.down import stop_platform
from isogloss.launches import PlatformOptions
from isogloss.output import Format, FormatOption, say, show, show_table
from isogloss.serve import serve_artifact
from isogloss.status import address_table
from isogloss.up import start_platform

PortOption = Annotated[
    list[str], typer.Option("--port", metavar="NAME=NUMBER", help="One port; may be repeated.")
]
PortsFromOption = Annotated[
    int | None, typer.Option(min=1024, max=65000, help="Take all ports in a row from here.")
]
PortOffsetOption = Annotated[
    int, typer.Option(envvar="ISOGLOSS_PORT_OFFSET", help="Add this to every default port.")
]


def add_to(application: typer.Typer) -> None:
    """Join this module's commands to the tree."""
    application.command(epilog="Example: isogloss up --port gateway=8081")(up)
    application.command(epilog="Example: isogloss down")(down)
    application.command(epilog="Example: isogloss status -o json")(status)
    application.command(epilog="Example: isogloss serve --artifact ./model --port 8000")(serve)


def up(
    ctx: typer.Context,
    port: PortOption = [],  # noqa: B006 - typer reads the default, nobody changes it
    ports_from: PortsFromOption = None,
    port_offset: PortOffsetOption = 0,
    drift_window_seconds: Annotated[
        float | None, typer.Option(min=1, help="Window of the drift-monitor; its own default else.")
    ] = None,
) -> None:
    """Start the platform: what runs stays, what is dead is started again."""
    wishes = PortWishes(port_offset, ports_from, read_single_ports(port))
    home = target_of(ctx).home_for("up")
    started = start_platform(home, wishes, PlatformOptions(drift_window_seconds))
    if not started.new:
        say("everything runs already")
    show_table(address_table(started.addresses.ports))


def down(ctx: typer.Context) -> None:
    """Stop everything that runs from this home, predictors and jobs too."""
    home = target_of(ctx).home_for("down")
    if not stop_platform(home):
        say(f"nothing of {home.root} is running")


def status(ctx: typer.Context, output: FormatOption = Format.TABLE) -> None:
    """Show each process or workload, and each model; exits 1 unless all is ready."""
    found = target_of(ctx).status()
    first, *more = found.tables()
    show(found.to_dict(), output, lambda: first)
    for table in more if output is Format.TABLE else ():
        show_table(table)
    if not found.ready:
        raise typer.Exit(1)


def serve(
    ctx: typer.Context,
    artifact: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Its directory.")],
    model: Annotated[str, typer.Option(help="The model's name in the routes.")] = "model",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the predict routes.")] = 8000,
) -> None:
    """Serve one artifact directory: one predictor, nothing else, until Ctrl-C."""
    home = target_of(ctx).home_for("serve")
    raise typer.Exit(serve_artifact(home, artifact, model, port))
