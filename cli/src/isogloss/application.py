"""The `isogloss` command's tree: every group and verb is joined here; no decisions."""

from typing import Any

import typer
from typer.core import TyperGroup

from isogloss.commands import (
    artifacts,
    audit,
    demo,
    drift,
    drills,
    local,
    models,
    pipelines,
    policies,
    projects,
    rollout_plans,
    rollouts,
    traffic,
)
from isogloss.commands.target import choose
from isogloss.failures import Interrupted


class _Group(TyperGroup):
    """Turns Ctrl-C anywhere into one sentence that says how to go on."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            more = f". {ctx.obj.after_interrupt}" if ctx.obj else ""
            raise Interrupted(f"interrupted{more}") from None


application = typer.Typer(
    name="isogloss",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    help="From labelled texts to a model in production, and back within a second.",
    epilog="Exit codes: 0 done, 1 refused or a failed gate, 2 usage, 3 unreachable.",
)
application.callback()(choose)
local.add_to(application)
projects.add_to(application)
traffic.add_to(application)
demo.add_to(application)
drills.add_to(application)
application.add_typer(models.commands, name="models")
application.add_typer(pipelines.commands, name="ci")
application.add_typer(policies.commands, name="policy")
rollout_plans.add_to(rollouts.commands)
application.add_typer(rollouts.commands, name="rollout")
application.add_typer(projects.data_commands, name="data")
drift.add_to(traffic.drift_commands)
application.add_typer(traffic.drift_commands, name="drift")
application.add_typer(traffic.feedback_commands, name="feedback")
application.add_typer(artifacts.commands, name="artifacts")
application.add_typer(audit.commands, name="audit")
