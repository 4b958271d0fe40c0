"""drift report, labels, accept, calibrate: a week in words and pictures, what to label, what is
usual, a trial.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from isogloss.calibrations import verification_table, verify_calibration
from isogloss.commands.target import target_of
from isogloss.failures import Misused
from isogloss.output import Format, FormatOption, Table, say, show


def add_to(commands: typer.Typer) -> None:
    """Join this module's commands to the drift group."""
    commands.command(epilog="Example: isogloss drift report sentiment --file week.html")(report)
    commands.command(epilog="Example: isogloss drift labels sentiment -o json")(labels)
    commands.command(epilog="Example: isogloss drift accept sentiment --days 14")(accept)
    commands.command(epilog="Example: isogloss drift calibrate runs/tfidf --verify")(calibrate)


def report(
    ctx: typer.Context,
    model: str,
    days: Annotated[float, typer.Option(min=0.01, max=92, help="Days that it tells of.")] = 7,
    file: Annotated[Path, typer.Option(help="Where the page is written.")] = Path("report.html"),
    output: FormatOption = Format.TABLE,
) -> None:
    """Tell how a model did: what changed, whether it matters, what to do.

    The report is also kept in MLflow and in the drift-monitor.
    """
    target = target_of(ctx)
    result = target.run_job(["report", "--model", model, "--days", str(days)], say)
    drift = ctx.with_resource(target.connect()).drift
    file.write_bytes(drift.report_page(model, result["until"]))
    result["file"] = str(file)
    show(result, output, lambda: _report_table(result))


def labels(ctx: typer.Context, model: str, output: FormatOption = Format.TABLE) -> None:
    """Show the newest list of requests to label; send labels with `feedback add`.

    They are drawn at random with known probabilities, so that they measure all traffic.
    """
    listed = ctx.with_resource(target_of(ctx).connect()).drift.labelling(model)
    show(listed, output, lambda: _labels_table(listed))
    if output is Format.TABLE:
        say(f"{listed['labelled']} of {len(listed['items'])} are labelled")


def accept(
    ctx: typer.Context,
    model: str,
    *,
    days: Annotated[int, typer.Option(min=1, max=92, help="Days up to now.")] = 14,
    despite_pages: Annotated[
        bool, typer.Option("--despite-pages", help="Also when drift woke somebody in that time.")
    ] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Accept the Production version's traffic as what its later traffic is compared with.

    From then on drift is what differs from it; what differs from the validation set is a ticket.
    """
    job = ["accept", "--model", model, "--days", str(days)]
    job += ["--despite-pages"] if despite_pages else []
    result = target_of(ctx).run_job(job, say)
    show(result, output, lambda: _accepted_table(result))


def calibrate(
    artifact: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    *,
    verify: Annotated[bool, typer.Option("--verify", help="Replay; it takes minutes.")] = False,
    hours: Annotated[int, typer.Option(min=1, help="Quiet hours that are replayed.")] = 720,
    budget: Annotated[float, typer.Option(min=0.001, help="False findings in 12 weeks.")] = 1.0,
    output: FormatOption = Format.TABLE,
) -> None:
    """Replay a quiet month and six drifts of an artifact's own Reference through the drift-monitor.

    It calibrates itself to each version, so there is nothing to set; exits 1 when the replay shows
    more false findings than promised, or a drift that is not found within a day.
    """
    if not verify:
        raise Misused("the drift-monitor calibrates itself to each version; --verify tries it out")
    say(f"replaying {hours} quiet hours and six drifts of {artifact}")
    shown = verify_calibration(artifact, hours, budget)
    show(shown, output, lambda: verification_table(shown))
    if not shown["passed"]:
        raise typer.Exit(1)


def _report_table(result: Any) -> Table:
    rows = [("in short", result["summary"])]
    rows += [("what to do", action) for action in result["actions"]]
    return Table(("report", result["level"]), [*rows, ("page", result["file"])])


def _accepted_table(result: Any) -> Table:
    begun, ended = (
        f"{datetime.fromtimestamp(result[end], UTC):%Y-%m-%d %H:%M}" for end in ("start", "end")
    )
    compared = ", ".join(f"{name} ({rows})" for name, rows in result["compared"].items())
    rows = [("from, to (UTC)", f"{begun} to {ended}"), ("texts", str(result["texts"]))]
    rows += [("rows", str(result["rows"])), ("compared (rows)", compared or "nothing")]
    return Table(("accepted", result["sha256"]), [*rows, ("run", result["run_id"])])


def _labels_table(listed: Any) -> Table:
    rows = [
        (
            item["request_id"],
            f"{datetime.fromtimestamp(item['time'], UTC):%Y-%m-%d %H:%M:%S}",
            item["stratum"],
            " ".join(name for name in item["slices"] if "=" in name) or "-",
            item["label"] or "-",
        )
        for item in listed["items"]
    ]
    return Table(("request", "answered (UTC)", "kind", "slices", "label"), rows)
