"""drill: does a bad version get found out?"""

from typing import Annotated

import typer

from isogloss.commands.target import target_of
from isogloss.drill import DrillPlan
from isogloss.drill import drill as run_drill
from isogloss.output import say


def add_to(application: typer.Typer) -> None:
    """Add the verb."""
    application.command(epilog="Example: isogloss drill sentiment 4 --within 2000")(drill)


def drill(
    ctx: typer.Context,
    model: str,
    version: Annotated[str, typer.Argument(help="A bad one, in STAGING by waiver.")],
    within: Annotated[int, typer.Option(min=1, help="Requests it may be judged by.")] = 2000,
    limit: Annotated[float, typer.Option(min=1, help="Seconds it may take.")] = 1800,
) -> None:
    """Roll a known-bad version out under today's traffic; exits 1 unless it FAILs in time."""
    connections = ctx.with_resource(target_of(ctx).connect())
    requests = run_drill(connections, DrillPlan(model, version, within, limit), say)
    say(f"found out after {requests} requests, and all users have the version from before")
