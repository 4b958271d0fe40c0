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
from isogloss.jobs import run_job
from isogloss.launches import PlatformOptions
from isogloss.projects import load_project
from isogloss.up import start_platform


def check_data(plan: DemoPlan, narrator: Narrator) -> Path:
    """Begin with an empty home, check the data, and return where it lies prepared."""
    with narrator.step(1, f"Check the data of {plan.project}"):
        claim_home(plan.home)
        result: Any = run_job(plan.home, ["check-data", str(plan.project)], narrator.tell)
        sizes = [f"{name} {held['rows']:,}" for name, held in result["sets"].items()]
        narrator.tell(f"rows: {', '.join(sizes)}")
        slices = [f"{name} {count:,}" for name, count in result["slices"].items()]
        narrator.tell(f"of the test set: {', '.join(slices)}")
        narrator.tell(f"the test set is pinned as {result['test_set_digest']}")
        return Path(result["directory"])


def start(plan: DemoPlan, narrator: Narrator, prepared: Path) -> Story:
    """Start the platform and give it the project."""
    with narrator.step(2, "Start the platform and apply the project"):
        options = PlatformOptions(drift_window_seconds=plan.drift_window_seconds)
        started = start_platform(plan.home, plan.wishes, options)
        narrator.tell(
            f"drift is judged on windows of {plan.drift_window_seconds:g} s, "
            "so that the story fits into minutes; an hour is the default"
        )
        project = load_project(plan.project, plan.policy)
        connections = connect(plan.home)
        applied = apply_project(plan.home, connections, project)
        narrator.tell(f"gate policy of {applied['model']}: {applied['policy']}")
        narrator.tell(f"gateway: {started.addresses.url('gateway')}")
    return Story(
        plan=plan,
        narrator=narrator,
        loads=Loads(plan.home),
        connections=connections,
        model=project.model,
        reviews=prepared / "test.parquet",
        other_domain=prepared / "other-domain.parquet",
    )
