"""What the charts hold to, counted: each practice is a test that passes."""

import os
import re
import subprocess
import sys
from pathlib import Path

from bars import Bar, Report, tell

ROOT = Path(__file__).resolve().parents[2]
PRACTICES = {
    "values.schema.json without unknown keys": "test_the_defaults_fit_the_schema_which_takes",
    "NetworkPolicies, default deny": "test_every_pod_of_the_release_is_denied_what_is_not_allowed",
    "PodDisruptionBudgets and topology spread": "test_what_has_replicas_spreads_and_keeps_one",
    "HPA of what can scale": "test_an_hpa_takes_the_replicas_of_what_can_scale",
    "ServiceMonitor and PodMonitor": "test_monitors_scrape_every_service_and_every_predictor",
    "PrometheusRules and dashboards": "test_every_rule_file_and_every_dashboard_is_in_the_chart",
    "HTTPRoute": "test_apis_of_the_services_get_routes_to_their_v1_only",
    "Jobs and CronJobs": "test_jobs_are_started_from_suspended_templates",
    "RBAC by least privilege": "test_each_account_has_the_rights_it_needs_and_no_other",
    "ValidatingAdmissionPolicy": "test_admission_policies_act_in_the_releases_namespace_and_deny",
    "restricted Pod Security": "test_every_pod_is_one_of_the_restricted_standard",
    "existingSecret everywhere": "test_every_key_may_be_one_that_exists",
    "NOTES with the next command": "test_notes_tell_the_next_command_by_names_that_exist",
    "helm test hooks": "test_helm_test_asks_every_service_with_a_token",
}


def measure_practices(report: Report) -> list[Bar]:
    """Run the tests of the practices, and the policies on what is rendered."""
    held = 0
    for practice, test in PRACTICES.items():
        passed = _passes("tests/render", "-k", test)
        tell(f"{practice}: {'holds' if passed else 'DOES NOT HOLD'}")
        held += passed
    checked = _passes("tests/system", "tests/images", "tests/manifests", ISOGLOSS_SYSTEM="yes")
    what = "chart practices that hold, each with a test of its own"
    linted = "suites in which checkov, kubernetes-validate or hadolint finds what has no reason"
    return [
        report.at_least("practices", f"{what}, of {len(PRACTICES)}", len(PRACTICES), held),
        report.at_most("findings", linted, 0, int(not checked)),
    ]


def _passes(*arguments: str, **environment: str) -> bool:
    """Tell whether pytest ran something and all of it passed."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode == 0 and re.search(r"\d+ passed", ended.stdout) is not None
