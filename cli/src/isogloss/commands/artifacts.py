"""artifacts: what the registry keeps, and removing what no version names."""

from typing import Annotated, Any

import typer

from isogloss.commands.target import target_of
from isogloss.output import Format, FormatOption, Table, say, short, show

commands = typer.Typer(no_args_is_help=True, help="What the registry keeps of versions.")


@commands.command(epilog="Example: isogloss artifacts gc --dry-run")
def gc(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    older_than_hours: Annotated[
        float, typer.Option(min=0, max=87_600, help="Spare what is younger.")
    ] = 24.0,
    output: FormatOption = Format.TABLE,
) -> None:
    """Remove artifacts that no version names; one that any Stage or Release needs never goes."""
    registry = ctx.with_resource(target_of(ctx).connect()).registry
    answer = registry.collect_artifacts(older_than_hours, dry_run=dry_run)
    show(answer, output, lambda: Table(("artifact", "bytes", "what"), _rows(answer)))
    if output is Format.TABLE:
        say(f"{answer['named']} named by versions stay; {answer['freed_bytes']:,} bytes freed")


@commands.callback()
def _group() -> None:
    """Keep `gc` a verb of its own: a group of one command would swallow its name."""


def _rows(answer: Any) -> list[tuple[str, str, str]]:
    went = "would be removed" if answer["dry_run"] else "removed"
    told = [(each, went) for each in answer["removed"]]
    told += [(each, "spared, too young or being registered") for each in answer["spared"]]
    return [(short(each["digest"]), f"{each['size']:,}", what) for each, what in told]
