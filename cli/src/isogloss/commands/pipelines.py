"""ci: what a model's CI runs, step by step or all of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from isogloss.ci import Pipeline, Step, run_steps
from isogloss.commands.target import target_of
from isogloss.connections import Connections
from isogloss.output import say
from isogloss.train import TrainingRequest

commands = typer.Typer(
    no_args_is_help=True,
    help="CI for a model: lint, test, schema, gate, pack, push to STAGING; each stops the next.",
)
ProjectArgument = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="Directory of the project.")
]
FamilyOption = Annotated[str, typer.Option(help="The family of train.yaml that is trained.")]
RowsOption = Annotated[int | None, typer.Option(min=1, help="Only so many training rows.")]


@commands.command(epilog="Example: isogloss ci run examples/sentiment --family tfidf_linear")
def run(
    ctx: typer.Context, project: ProjectArgument, family: FamilyOption, rows: RowsOption = None
) -> None:
    """Run every step in order; exits with the first failing step's code."""
    pipeline = _pipeline(ctx, project, family, rows)
    run_steps(
        [
            Step("lint", pipeline.lint),
            Step("test", pipeline.test),
            Step("schema", pipeline.schema),
            Step("gate", pipeline.gate),
            Step("pack", _connected(ctx, pipeline, pipeline.pack)),
            Step("push", _connected(ctx, pipeline, pipeline.push)),
        ],
        say,
    )


@commands.command(epilog="Example: isogloss ci lint examples/sentiment")
def lint(ctx: typer.Context, project: ProjectArgument) -> None:
    """Read what the platform reads; have ruff read the project's Python."""
    _pipeline(ctx, project).lint()


@commands.command(epilog="Example: isogloss ci test examples/sentiment")
def test(ctx: typer.Context, project: ProjectArgument) -> None:
    """Run the project's unit tests."""
    _pipeline(ctx, project).test()


@commands.command(epilog="Example: isogloss ci schema examples/sentiment")
def schema(ctx: typer.Context, project: ProjectArgument) -> None:
    """Check data and prompts, as `data check --frozen` does."""
    _pipeline(ctx, project).schema()


@commands.command(epilog="Example: isogloss ci gate examples/sentiment --family tfidf_linear")
def gate(
    ctx: typer.Context, project: ProjectArgument, family: FamilyOption, rows: RowsOption = None
) -> None:
    """Train, and judge the artifact by the project's offline Gates; exits 1 unless they PASS."""
    _pipeline(ctx, project, family, rows).gate()


@commands.command(epilog="Example: isogloss ci pack examples/sentiment")
def pack(ctx: typer.Context, project: ProjectArgument) -> None:
    """Pack the artifact that `ci gate` left, once its bytes are what its manifest names."""
    pipeline = _pipeline(ctx, project)
    _connected(ctx, pipeline, pipeline.pack)()


@commands.command(epilog="Example: isogloss ci push examples/sentiment")
def push(ctx: typer.Context, project: ProjectArgument) -> None:
    """Register what `ci gate` left, measure it over HTTP, and ask for STAGING."""
    pipeline = _pipeline(ctx, project)
    _connected(ctx, pipeline, pipeline.push)()


def _pipeline(
    ctx: typer.Context, project: Path, family: str = "", rows: int | None = None
) -> Pipeline:
    target = target_of(ctx)
    request = TrainingRequest(Path(target.project_path(project)), family, rows=rows)
    return Pipeline(target.home_for("ci"), target, project, request, say)


def _connected(
    ctx: typer.Context, pipeline: Pipeline, step: Callable[[Connections], None]
) -> Callable[[], None]:
    return lambda: step(ctx.with_resource(pipeline.target.connect()))
