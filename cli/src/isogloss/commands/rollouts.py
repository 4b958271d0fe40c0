"""rollout: moving traffic to a version, and back."""

from typing import Annotated, Any

import typer

from isogloss.adapters.processes import now
from isogloss.commands.target import target_of
from isogloss.connections import Connections
from isogloss.failures import Failure, Refused
from isogloss.output import Format, FormatOption, Table, say, short, show
from isogloss.rollout_lines import status_line
from isogloss.verdicts import verdict_lines

commands = typer.Typer(no_args_is_help=True, help="Moving traffic to a version, and back.")
WatchOption = Annotated[bool, typer.Option("--watch", help="Stay until it has ended.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it stays in the ledger.")]


@commands.command(epilog="Example: isogloss rollout start sentiment 2 --watch")
def start(
    ctx: typer.Context,
    model: str,
    version: Annotated[str, typer.Argument(help="Its number or digest.")],
    follow: WatchOption = False,
    supersede: Annotated[
        bool, typer.Option(help="Give up another version's Rollout for it, back first.")
    ] = False,
) -> None:
    """Begin a Rollout of a version that stands in STAGING."""
    connections = ctx.with_resource(target_of(ctx).connect())
    answer = connections.controller.start(model, version, supersede=supersede)
    say(f"rollout {answer['rollout']['id']} of version {version} of {model} has begun")
    if follow:
        watch(ctx, model)


@commands.command(epilog="Example: isogloss rollout retry sentiment --watch")
def retry(ctx: typer.Context, model: str, follow: WatchOption = False) -> None:
    """Roll the version out again whose Rollout was given up last; everything is judged anew."""
    connections = ctx.with_resource(target_of(ctx).connect())
    last = connections.registry.model(model)["rollout"]
    if last is None or last["phase"] not in ("ABORTED", "ROLLED_BACK"):
        raise Refused(f"no rollout of {model} was given up last, so there is none to try again")
    version = connections.registry.version(model, last["candidate"])
    if version["stage"] == "ARCHIVED":
        connections.registry.promote(model, version["digest"], "STAGING")
    start(ctx, model, str(version["number"]), follow)


@commands.command(epilog="Example: isogloss rollout watch sentiment --limit 3600")
def watch(
    ctx: typer.Context,
    model: str,
    limit: Annotated[float, typer.Option(min=1, help="Seconds to watch at most.")] = 86400,
) -> None:
    """Print every change until the Rollout has ended; exits 1 unless it SUCCEEDED."""
    began = now()
    status: Any = {}
    connections = ctx.with_resource(target_of(ctx).connect())
    for status in connections.controller.watch(model, limit, say):
        say(f"{now() - began:7.1f} s  {status_line(status)}")
    for line in verdict_lines(status.get("verdict")):
        say(line)
    if status["phase"] != "SUCCEEDED":
        _say_why(connections, model, status["phase"])
        raise typer.Exit(1)


@commands.command(epilog="Example: isogloss rollout status sentiment -o yaml")
def status(ctx: typer.Context, model: str, output: FormatOption = Format.TABLE) -> None:
    """Show what is served, where the traffic goes, and what the controller waits for."""
    found = ctx.with_resource(target_of(ctx).connect()).controller.status(model)
    conditions = [
        (c["type"], str(c["status"]), c["reason"], c["message"]) for c in found["conditions"]
    ]
    if output is Format.TABLE:
        say(status_line(found))
    show(found, output, lambda: Table(("condition", "status", "reason", "message"), conditions))


@commands.command(epilog="Example: isogloss rollout pause sentiment --reason 'asking the team'")
def pause(ctx: typer.Context, model: str, reason: ReasonOption) -> None:
    """Hold the Rollout where it is; a failing Candidate is still rolled back."""
    _tell_current(ctx, model, "pause", reason)


@commands.command(epilog="Example: isogloss rollout resume sentiment --reason 'they agreed'")
def resume(ctx: typer.Context, model: str, reason: ReasonOption) -> None:
    """Let a held Rollout go on."""
    _tell_current(ctx, model, "resume", reason)


@commands.command(epilog="Example: isogloss rollout abort sentiment --reason 'superseded'")
def abort(ctx: typer.Context, model: str, reason: ReasonOption) -> None:
    """End the Rollout; all traffic stays with, or goes back to, the Baseline."""
    _tell_current(ctx, model, "abort", reason)


@commands.command(epilog="Example: isogloss rollout rollback sentiment --reason 'complaints'")
def rollback(
    ctx: typer.Context,
    model: str,
    reason: ReasonOption,
    to: Annotated[str | None, typer.Option(help="An earlier Production instead.")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Return the traffic at once; the record follows as soon as the registry answers."""
    answer = ctx.with_resource(target_of(ctx).connect()).controller.rollback(model, reason, to)
    rows = [(key, str(value)) for key, value in answer.items()]
    show(answer, output, lambda: Table(("rollback", "value"), rows))


@commands.command(epilog="Example: isogloss rollout replay sentiment")
def replay(
    ctx: typer.Context,
    model: str,
    rollout: Annotated[str | None, typer.Argument(help="Its id; by default the latest.")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Judge a Rollout's steps again on the stored Evidence; exits 1 unless all bytes are equal."""
    steps = ctx.with_resource(target_of(ctx).connect()).registry.replay(model, rollout)
    rows = [
        (
            str(step["seq"]),
            step["move"],
            step["outcome"],
            ", ".join(short(digest) for digest in step["evidence"]) or "none",
            step["problem"] or "the same bytes",
        )
        for step in steps
    ]
    show(steps, output, lambda: Table(("seq", "move", "verdict", "evidence", "judged again"), rows))
    if any(step["problem"] for step in steps):
        raise typer.Exit(1)


def _say_why(connections: Connections, model: str, phase: str | None) -> None:
    try:
        entries = connections.registry.history(model)
    except Failure as failure:
        say(f"why is in the ledger, and {failure}")
        return
    reasons = [entry["body"].get("reason") for entry in entries if entry["kind"] == "rollout"]
    say(f"{phase or 'no rollout yet'}: {reasons[-1]}" if reasons else "no rollout is on record")


def _tell_current(ctx: typer.Context, model: str, verb: str, reason: str) -> None:
    connections = ctx.with_resource(target_of(ctx).connect())
    connections.controller.tell_current(model, verb, reason)
    say(status_line(connections.controller.status(model)))
