"""Steps 1 and 2: the data is what it should be, and the platform runs."""

from pathlib import Path
from typing import Any

from isogloss.apply import apply_project
from isogloss.connections import connect
from isogloss.demo.loads import Loads
from isogloss.demo.narrator import Narrator
from isogloss.demo.ownership import claim_home
from isogloss.demo.plans import DemoPlan
from isogloss.demo.story import Story
from isogloss.jobs import await_job, start_job
from isogloss.launches import PlatformOptions
from isogloss.projects import load_project
from isogloss.up import start_platform


def prepare(plan: DemoPlan, narrator: Narrator) -> Story:
    """Begin with an empty home: check the data while the platform starts, then apply the project.

    They run side by side because each leaves a core idle.
    """
    project = load_project(plan.project, plan.policy)
    with narrator.step(1, f"Check the data of {plan.project}, and start the platform meanwhile"):
        claim_home(plan.home)
        checking = start_job(plan.home, ["check-data", str(plan.project)])
        try:
            options = PlatformOptions(drift_window_seconds=plan.drift_window_seconds)
            start_platform(plan.home, plan.wishes, options)
            prepared = await_job(checking, narrator.tell)
        finally:
            checking.stop()
        _tell_data(narrator, prepared)
    connections = connect(plan.home)
    with narrator.step(2, "Apply the project: its gate policy and how it is served"):
        applied = apply_project(plan.home, connections, project)
        narrator.tell(f"gate policy of {applied['model']}: {applied['policy']}")
        narrator.tell(
            f"drift is judged on windows of {plan.drift_window_seconds:g} s, "
            "so that the story fits into minutes; an hour is the default"
        )
    directory = Path(prepared["directory"])
    return Story(
        plan=plan,
        narrator=narrator,
        loads=Loads(plan.home),
        connections=connections,
        model=project.model,
        reviews=directory / "test.parquet",
        other_domain=directory / "other-domain.parquet",
    )


def _tell_data(narrator: Narrator, prepared: Any) -> None:
    sizes = [f"{name} {held['rows']:,}" for name, held in prepared["sets"].items()]
    narrator.tell(f"rows: {', '.join(sizes)}")
    slices = [f"{name} {count:,}" for name, count in prepared["slices"].items()]
    narrator.tell(f"of the test set: {', '.join(slices)}")
    narrator.tell(f"the test set is pinned as {prepared['test_set_digest']}")
