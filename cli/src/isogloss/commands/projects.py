"""apply, data, train, evaluate: from a project's files to a measured version."""

from pathlib import Path
from typing import Annotated, Any

import typer

from isogloss.apply import apply_policy
from isogloss.commands.target import target_of
from isogloss.output import Format, FormatOption, Table, say, short, show
from isogloss.projects import load_project
from isogloss.train import TrainingRequest, training_arguments

ProjectArgument = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="Directory of the project.")
]
JobProjectArgument = Annotated[
    Path | None,
    typer.Argument(
        exists=True,
        file_okay=False,
        help="Directory of the project; left out in a cluster, where the project is an image.",
    ),
]
data_commands = typer.Typer(no_args_is_help=True, help="A project's data: checks and sets.")


def add_to(application: typer.Typer) -> None:
    """Join this module's commands to the tree."""
    application.command(epilog="Example: isogloss apply examples/sentiment")(apply)
    application.command(
        epilog="Example: isogloss train examples/sentiment --family tfidf_linear --set C=8"
    )(train)
    application.command(epilog="Example: isogloss evaluate sentiment 2")(evaluate)


def apply(
    ctx: typer.Context,
    project: ProjectArgument,
    policy: Annotated[Path | None, typer.Option(help="A gate policy instead of its own.")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Send a project's gate policy and ServedModel to the platform."""
    target, loaded = target_of(ctx), load_project(project, policy)
    applied = apply_policy(ctx.with_resource(target.connect()), loaded)
    target.serve_as(loaded)
    row = (applied["model"], short(applied["policy"]), str(applied["seq"]))
    show(applied, output, lambda: Table(("model", "policy", "sequence"), [row]))


@data_commands.command(epilog="Example: isogloss data check examples/sentiment")
def check(
    ctx: typer.Context,
    project: JobProjectArgument = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Refuse versions that contents.lock.json lacks.")
    ] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Check a project's data and prompts and prepare the data; exits 1 on a FAIL.

    Rows or prompts that changed under an unchanged version FAIL.
    """
    target = target_of(ctx)
    arguments = ["check-data", target.project_path(project), *(["--frozen"] if frozen else [])]
    result = target.run_job(arguments, say, may_fail=True)
    show(result, output, lambda: _check_table(result))
    if result["outcome"] != "PASS":
        raise typer.Exit(1)


@data_commands.command(epilog="Example: isogloss data split examples/sentiment -o json")
def split(
    ctx: typer.Context, project: JobProjectArgument = None, output: FormatOption = Format.TABLE
) -> None:
    """Prepare a project's data and show the sets it was split into, by digest."""
    target = target_of(ctx)
    result = target.run_job(["check-data", target.project_path(project)], say)
    show(result, output, lambda: _set_table(result))


@data_commands.command(epilog="Example: isogloss data export examples/sentiment")
def export(
    ctx: typer.Context, project: JobProjectArgument = None, output: FormatOption = Format.TABLE
) -> None:
    """Describe a project's prepared data as Croissant 1.1, in a file beside it."""
    target = target_of(ctx)
    result = target.run_job(["export-data", target.project_path(project)], say)
    row = (result["dataset"], result["dataset_version"], result["croissant"])
    show(result, output, lambda: Table(("data set", "version", "described in"), [row]))


def train(
    ctx: typer.Context,
    *,
    project: JobProjectArgument = None,
    family: Annotated[str, typer.Option(help="tfidf_linear or keras_embedding.")],
    setting: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="A setting of the family.")
    ] = [],  # noqa: B006 - typer reads the default, nobody changes it
    rows: Annotated[int | None, typer.Option(min=1, help="Only so many training rows.")] = None,
    flip_labels: Annotated[
        bool, typer.Option("--flip-labels", help="Teach the opposite, for a drill.")
    ] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Train one model family on the prepared data; the run is logged to MLflow."""
    target = target_of(ctx)
    where = target.project_path(project)
    request = TrainingRequest(Path(where), family, tuple(setting), rows, flip_labels)
    result = target.run_job(training_arguments(request), say)
    show(result, output, lambda: _run_table(result))


def evaluate(
    ctx: typer.Context,
    model: str,
    version: Annotated[str, typer.Argument(help="Its number or digest.")],
    output: FormatOption = Format.TABLE,
) -> None:
    """Measure a version over HTTP beside the one in PRODUCTION, and post the signed Evidence."""
    target = target_of(ctx)
    connections = ctx.with_resource(target.connect())
    result = target.evaluate(connections, model, version, say)
    show(result, output, lambda: _document_table(result))


def _check_table(result: Any) -> Table:
    # The job has told every check already, as its progress.
    checks = str(len(result["checks"]))
    row = (result["outcome"], checks, result.get("directory", "nothing was prepared"))
    return Table(("outcome", "checks", "prepared in"), [row])


def _set_table(result: Any) -> Table:
    rows = [
        (name, str(held.get("rows", "-")), short(held["digest"]))
        for name, held in result["sets"].items()
    ]
    return Table(("set", "rows", "digest"), rows)


def _run_table(result: Any) -> Table:
    metrics = [(name, f"{value:.4f}") for name, value in sorted(result["metrics"].items())]
    named = [(key, str(result[key])) for key in ("run_id", "artifact_path", "digest")]
    return Table(("of the run", "value"), [*named, *metrics])


def _document_table(result: Any) -> Table:
    return Table(
        ("of the evaluation", "value"), [(key, str(value)) for key, value in result.items()]
    )
