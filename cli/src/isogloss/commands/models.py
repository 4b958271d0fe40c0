"""models: versions, where they stand, why they do not stand further, and what happened."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from isogloss.adapters.processes import now
from isogloss.clients.registry_proxy import WaiverRequest
from isogloss.commands.target import target_of
from isogloss.failures import Refused
from isogloss.lineage import in_production, read_rows, row_file, table_rows, walk
from isogloss.output import Format, FormatOption, Table, say, short, show
from isogloss.verdicts import verdict_lines
from isogloss.why_screen import headline, remedies, rule_table

commands = typer.Typer(no_args_is_help=True, help="Versions: where they stand, and why.")
VersionArgument = Annotated[str, typer.Argument(help="Its number or digest.")]


@commands.command("list", epilog="Example: isogloss models list -o json")
def list_models(ctx: typer.Context, output: FormatOption = Format.TABLE) -> None:
    """List every model's versions with their Stages."""
    states = ctx.with_resource(target_of(ctx).connect()).registry.models()
    show(states, output, lambda: Table(_COLUMNS, [row for s in states for row in _rows(s)]))


@commands.command("show", epilog="Example: isogloss models show sentiment --lineage")
def show_one(
    ctx: typer.Context,
    model: str,
    version: Annotated[
        str | None,
        typer.Argument(help="With --lineage: number, digest or an answer's x-model-version."),
    ] = None,
    lineage: Annotated[
        bool, typer.Option("--lineage", help="From one version down to the rows of its data.")
    ] = False,
    rows: Annotated[
        str | None,
        typer.Option("--rows", help="With --lineage: the rows of that set, by text hash."),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show one model: its versions, or what one of them (by default Production) was made from."""
    registry = ctx.with_resource(target_of(ctx).connect()).registry
    state = registry.model(model)
    if not lineage:
        show(state, output, lambda: Table(_COLUMNS, _rows(state)))
        return
    found = registry.version(model, version) if version else in_production(state)
    if rows is not None:
        held = read_rows(registry.kept_file(*row_file(found, rows)).splitlines())
        show(held, output, lambda: Table(_ROW_COLUMNS, [_cells(row) for row in held]))
        return
    walked = walk(found)
    show(walked, output, lambda: Table(("what", "is", "digest", "proof"), table_rows(walked)))


@commands.command(epilog="Example: isogloss models register sentiment 0f3a8c...")
def register(
    ctx: typer.Context,
    model: str,
    run: Annotated[str, typer.Argument(help="The MLflow run's id.")],
    artifact_path: Annotated[str, typer.Option(help="The model's path in the run.")] = "model",
    output: FormatOption = Format.TABLE,
) -> None:
    """Copy a run's model into the registry as a version; the same bytes are the same version."""
    answer = ctx.with_resource(target_of(ctx).connect()).registry.register(
        model, run, artifact_path
    )
    rows = [_row(model, answer["version"])]
    show(answer, output, lambda: Table(_COLUMNS, rows))


@commands.command(epilog="Example: isogloss models promote sentiment 2 --to STAGING")
def promote(
    ctx: typer.Context,
    model: str,
    version: VersionArgument,
    to: Annotated[str, typer.Option(help="STAGING or ARCHIVED.")] = "STAGING",
    output: FormatOption = Format.TABLE,
) -> None:
    """Ask for a Transition; the Gates' Verdict is printed, and exit 1 means it was refused."""
    try:
        answer = ctx.with_resource(target_of(ctx).connect()).registry.promote(
            model, version, to.upper()
        )
    except Refused as refused:
        for line in verdict_lines(refused.problem.get("verdict")):
            say(line)
        raise
    for line in verdict_lines(answer["verdict"]):
        say(line)
    show(answer, output, lambda: Table(_COLUMNS, [_row(model, answer["version"])]))


@commands.command(epilog="Example: isogloss models why sentiment 2")
def why(
    ctx: typer.Context, model: str, version: VersionArgument, output: FormatOption = Format.TABLE
) -> None:
    """Say why it cannot be promoted, and what would change that; exits 1 unless its Gates PASS."""
    answer = ctx.with_resource(target_of(ctx).connect()).registry.why(model, version)
    if output is Format.TABLE:
        say(headline(f"{model} {version}", answer))
    show(answer, output, lambda: rule_table(answer))
    if output is Format.TABLE:
        for line in remedies(answer):
            say(line)
        if answer["next"]:
            say(f"next: {answer['next']}")
    if answer["verdict"]["outcome"] != "PASS":
        raise typer.Exit(1)


@commands.command(epilog="Example: isogloss models history sentiment")
def history(ctx: typer.Context, model: str, output: FormatOption = Format.TABLE) -> None:
    """Show a model's ledger: who did what, when, and why."""
    entries = ctx.with_resource(target_of(ctx).connect()).registry.history(model)
    show(entries, output, lambda: Table(("seq", "time", "kind", "by", "what"), _told(entries)))


@commands.command(
    epilog="Example: isogloss models waive sentiment 3 --gate offline-quality "
    "--move 'REGISTERED->STAGING' --reason 'drill 7' --hours 1"
)
def waive(
    ctx: typer.Context,
    model: str,
    version: VersionArgument,
    gate: Annotated[str, typer.Option(help="The one Gate it stands in for.")],
    reason: Annotated[str, typer.Option(help="Why; it stays in the ledger.")],
    move: Annotated[str, typer.Option(help="The one move.")] = "REGISTERED->STAGING",
    hours: Annotated[float, typer.Option(min=0.01, max=720, help="Until it expires.")] = 1.0,
) -> None:
    """Let one Gate pass on one move of one version for a time; recorded, never for PRODUCTION."""
    registry = ctx.with_resource(target_of(ctx).connect()).registry
    digest = registry.version(model, version)["digest"]
    waiver = WaiverRequest(digest, gate, move, reason, now() + hours * 3600)
    answer = registry.waive(model, waiver)
    say(f"waived {gate} on {move} for version {version} of {model}: {answer['evidence']}")


@commands.command(epilog="Example: isogloss models approve sentiment 3 --reason 'read the report'")
def approve(
    ctx: typer.Context,
    model: str,
    version: VersionArgument,
    reason: Annotated[str, typer.Option(help="Why; it stays in the ledger.")],
    move: Annotated[str | None, typer.Option(help="The move; by default its next one.")] = None,
) -> None:
    """Approve a version's move where the policy asks people; who made it cannot."""
    registry = ctx.with_resource(target_of(ctx).connect()).registry
    answer = registry.approve(model, version, move, reason)
    given = ", ".join(answer["approvers"])
    say(f"version {version} of {model}: {len(answer['approvers'])} of {answer['needed']} ({given})")


_COLUMNS = ("model", "version", "stage", "digest", "family", "registered")
_ROW_COLUMNS = ("row", "id", "label", "source")


def _rows(state: Any) -> list[Sequence[str]]:
    return [_row(state["name"], version) for version in state["versions"]]


def _cells(row: Any) -> Sequence[str]:
    return [str(row[column]) for column in _ROW_COLUMNS]


def _row(model: str, version: Any) -> Sequence[str]:
    family = str(version["metadata"].get("family") or version["metadata"].get("format") or "-")
    registered = _clock(version["registered_at"])
    digest = short(version["digest"])
    return model, str(version["number"]), version["stage"], digest, family, registered


def _told(entries: Sequence[Any]) -> list[Sequence[str]]:
    return [
        (str(e["seq"]), _clock(e["time"]), e["kind"], e["actor"], _what(e["body"])) for e in entries
    ]


def _what(body: Any) -> str:
    said = []
    if "before" in body and "after" in body and isinstance(body["after"], str):
        said.append(f"{body['before']}->{body['after']}")
    if isinstance(rollout := body.get("rollout"), dict):
        said.append(f"{rollout['phase']} step {rollout['step']} of {short(rollout['candidate'])}")
    if isinstance(digest := body.get("digest"), str):
        said.append(short(digest))
    said += [str(body[key]) for key in ("gate", "move", "reason", "kind") if body.get(key)]
    return ", ".join(said)


def _clock(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
