"""What can be said of rules and alerts without Prometheus; its own word is in tests/system."""

import re

import pytest
import typer

from isogloss.application import application


def test_every_series_in_a_rule_is_recorded_or_exported(alerts, recorded, exported, series_in):
    for rule in [*alerts, *recorded.values()]:
        assert series_in(rule.expr) <= {*recorded, *exported}, rule.file


def test_every_label_in_a_rule_is_on_one_of_its_series(
    alerts, recorded, exported, series_in, labels_in
):
    for rule in [*alerts, *recorded.values()]:
        known = set()
        for name in series_in(rule.expr):
            known |= set(name.split(":")[0].split("_")) if ":" in name else exported[name]
        assert labels_in(rule.expr) <= known, rule.expr


def test_a_recorded_series_is_named_for_the_labels_that_are_left(recorded):
    for name, rule in recorded.items():
        grouped = re.match(r"\s*(?:sum|max) by \(([^)]*)\)", rule.expr)
        if grouped:
            level = [label.strip() for label in grouped[1].split(",")]
            assert name.split(":")[0] == "_".join(level)


def test_every_alert_says_what_to_know_and_where_to_read_on(alerts):
    for alert in alerts:
        assert re.fullmatch(r"Isogloss([A-Z][a-z]+)+", alert.alert)
        assert alert.labels["severity"] in {"critical", "warning", "info"}
        assert set(alert.annotations) == {"summary", "description", "runbook_url"}
        assert "{{" not in alert.annotations["summary"], "a summary is the same for all"
        assert "$labels.namespace" in alert.annotations["description"]
        assert alert.annotations["runbook_url"] == f"monitoring/runbooks/{alert.alert}.md"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(alerts, runbooks):
    assert {alert.alert for alert in alerts} == set(runbooks)


def test_a_runbook_says_what_it_hurts_where_to_look_and_what_to_do(runbooks):
    for name, text in runbooks.items():
        assert text.startswith(f"# {name}\n")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
            "Impact",
            "First look",
            "What to do",
        ]
        assert re.search(r"^(kubectl|isogloss) ", text, re.MULTILINE), name
        assert set(re.findall(r"\bIsogloss[A-Z]\w+", text)) <= set(runbooks), name


def test_every_command_of_ours_in_a_runbook_exists(runbooks):
    root = typer.main.get_command(application)
    for name, text in runbooks.items():
        lines = re.findall(r"(?:^|`)isogloss ([^#`\n]+)", text, re.MULTILINE)
        for words in map(str.split, lines):
            command = root.commands[words[0]]
            if hasattr(command, "commands") and words[1] != "--help":
                command = command.commands[words[1]]
            known = {option for each in command.params for option in each.opts} | {"--help"}
            assert {word for word in words if word.startswith("--")} <= known, name


def test_alerts_of_one_name_differ_in_severity(alerts):
    named = [(alert.alert, alert.labels["severity"]) for alert in alerts]
    assert len(named) == len(set(named))


def fired(tests):
    for test in tests:
        for case in test.get("alert_rule_test", []):
            for alert in case["exp_alerts"]:
                yield case["alertname"], alert["exp_labels"]["severity"]


def test_every_alert_is_seen_firing_and_not_firing(alerts, promtool_tests):
    silent = {
        case["alertname"]
        for test in promtool_tests
        for case in test.get("alert_rule_test", [])
        if not case["exp_alerts"]
    }
    assert {(a.alert, a.labels["severity"]) for a in alerts} == set(fired(promtool_tests))
    assert {alert.alert for alert in alerts} == silent


def test_the_value_of_every_recorded_series_is_tested(recorded, promtool_tests, series_in):
    tested = set()
    for test in promtool_tests:
        for case in test.get("promql_expr_test", []):
            tested |= series_in(case["expr"]) if case["exp_samples"] else set()
    assert tested == set(recorded)


@pytest.mark.parametrize("window", ["5m", "30m", "1h", "2h", "6h", "1d", "3d"])
def test_both_budgets_are_recorded_over_every_window(recorded, window):
    for what in ("user_errors", "user_slow_answers"):
        assert f"namespace_model:isogloss_{what}:ratio_rate{window}" in recorded
