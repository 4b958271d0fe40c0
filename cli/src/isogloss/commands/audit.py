"""audit: is the ledger whole, and a copy of it for others to check."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from isogloss.commands.target import target_of
from isogloss.failures import Misused
from isogloss.output import Format, FormatOption, Table, say, show
from lifecycle.ledger import LedgerEntry, entry_from_dict, read_anchor, verify_chain

commands = typer.Typer(no_args_is_help=True, help="Is the ledger whole?")
AnchorOption = Annotated[
    str | None,
    typer.Option(help="SEQ:HASH that an earlier verify or an event told, which must be in it."),
]


@commands.command(epilog="Example: isogloss audit verify --anchor 41:sha256:9f2c...")
def verify(
    ctx: typer.Context,
    anchor: AnchorOption = None,
    file: Annotated[Path | None, typer.Option(help="Check this export, ask nobody.")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Walk the chain of hashes; exits 1 and names the first bad entry when it is broken.

    Keep the anchor that it tells elsewhere: whoever can write the whole ledger anew cannot hide
    from that.
    """
    _refuse_malformed(anchor)
    if file is None:
        report = ctx.with_resource(target_of(ctx).connect()).registry.verify(anchor)
    else:
        report = _verify_export(file, anchor)
    rows = [(str(report["entries"]), report["head"], report["problem"] or "none")]
    show(report, output, lambda: Table(("entries", "head", "problem"), rows))
    if report["problem"]:
        raise typer.Exit(1)
    if output is Format.TABLE and report["entries"]:
        say(f"anchor: {report['entries']}:{report['head']}")


@commands.command(epilog="Example: isogloss audit export > ledger.jsonl")
def export(ctx: typer.Context) -> None:
    """Write all entries as JSON Lines, oldest first; `audit verify --file` checks them."""
    for line in ctx.with_resource(target_of(ctx).connect()).registry.export():
        typer.echo(line)


def _refuse_malformed(anchor: str | None) -> None:
    try:
        read_anchor(anchor or "1:sha256:")
    except ValueError as error:
        raise Misused(f"--anchor {error}") from error


def _verify_export(path: Path, anchor: str | None) -> Any:
    try:
        with path.open(encoding="utf-8") as lines:
            report = verify_chain(_entries(lines), [read_anchor(anchor)] if anchor else ())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misused(f"{path} is no export of a ledger: {error}") from error
    return asdict(report)


def _entries(lines: Any) -> Iterator[LedgerEntry]:
    for line in lines:
        yield entry_from_dict(json.loads(line))
