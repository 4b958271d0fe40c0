"""audit: is the ledger whole?"""

import typer

from isogloss.commands.target import target_of
from isogloss.output import Format, FormatOption, Table, show

commands = typer.Typer(no_args_is_help=True, help="Is the ledger whole?")


@commands.command(epilog="Example: isogloss audit verify")
def verify(ctx: typer.Context, output: FormatOption = Format.TABLE) -> None:
    """Walk the ledger's hash chain; exits 1 and names the first bad entry when it is broken."""
    report = ctx.with_resource(target_of(ctx).connect()).registry.verify()
    rows = [(str(report["entries"]), report["head"], report["problem"] or "none")]
    show(report, output, lambda: Table(("entries", "head", "problem"), rows))
    if report["problem"]:
        raise typer.Exit(1)


@commands.callback()
def _group() -> None:
    """Keep `verify` a verb of its own: a group of one command would swallow its name."""
