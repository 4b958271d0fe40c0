"""The options before the verb: which platform is meant."""

from pathlib import Path
from typing import Annotated, cast

import typer

from isogloss.choose_target import ClusterOptions, Where, choose_target
from isogloss.targets import Target

_OF_A_CLUSTER = "Of a cluster"
_CLUSTER_OPTIONS = ("context", "namespace", "kubeconfig", "release", "project_image")


HomeOption = Annotated[
    Path,
    typer.Option(envvar="ISOGLOSS_HOME", help="State directory of the local platform (mode 0700)."),
]
TargetOption = Annotated[
    Where, typer.Option(envvar="ISOGLOSS_TARGET", help="Which platform is meant.")
]
ClusterOption = Annotated[bool, typer.Option("--cluster", help="Short for --target cluster.")]
ContextOption = Annotated[
    str | None, typer.Option(help="kubectl's context.", rich_help_panel=_OF_A_CLUSTER)
]
NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "-n",
        "--namespace",
        envvar="ISOGLOSS_NAMESPACE",
        help="The release's namespace; the context's by default.",
        rich_help_panel=_OF_A_CLUSTER,
    ),
]
KubeconfigOption = Annotated[
    Path | None,
    typer.Option(help="kubectl's file, else its own default.", rich_help_panel=_OF_A_CLUSTER),
]
ReleaseOption = Annotated[
    str,
    typer.Option(
        envvar="ISOGLOSS_RELEASE", help="Helm's name of it.", rich_help_panel=_OF_A_CLUSTER
    ),
]
ProjectImageOption = Annotated[
    str | None,
    typer.Option(
        envvar="ISOGLOSS_PROJECT_IMAGE",
        help="Image that holds the project, instead of the release's.",
        rich_help_panel=_OF_A_CLUSTER,
    ),
]


def target_of(ctx: typer.Context) -> Target:
    """Return the platform that this command is about."""
    return cast("Target", ctx.obj)


def choose(
    ctx: typer.Context,
    home: HomeOption = Path(".isogloss"),
    target: TargetOption = Where.LOCAL,
    cluster: ClusterOption = False,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    release: ReleaseOption = "isogloss",
    project_image: ProjectImageOption = None,
) -> None:
    """Put the platform into the context, for every command."""
    options = ClusterOptions(context, namespace, kubeconfig, release, project_image)
    stated = [
        f"--{name.replace('_', '-')}"
        for name in _CLUSTER_OPTIONS
        if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    where = Where.CLUSTER if cluster else target
    ctx.obj = choose_target(where, home, options, stated)
