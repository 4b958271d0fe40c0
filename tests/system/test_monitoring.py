"""Prometheus' own word on rules, alerts and dashboards."""

import json
import re

import pytest
import yaml

# What Grafana puts in place of its variables.
CHOSEN = {"$namespace": "isogloss", "$model": "sentiment", "$__rate_interval": "2m"}


@pytest.fixture(scope="module")
def rule_files(root):
    return sorted(root.glob("monitoring/rules/*.yaml")) + sorted(
        root.glob("monitoring/alerts/*.yaml")
    )


def test_prometheus_takes_every_rule_and_finds_nothing_to_mend(run, promtool, rule_files):
    for path in rule_files:
        said = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", path)
        assert "SUCCESS" in said


def test_alerts_fire_when_they_should_and_only_then(run, promtool, root):
    files = sorted(root.glob("monitoring/tests/*.test.yaml"))
    said = run(promtool, "test", "rules", *files)
    assert said.count("SUCCESS") == len(files) == 4


def test_alerts_of_the_chart_link_to_runbooks_where_people_read_them(run, helm, root):
    options = ["metrics.prometheusRule.enabled=true", "metrics.prometheusRule.runbooks=https://r/x"]
    values = f"--values={root}/manifests/base/values.yaml"
    sets = [f"--set={each}" for each in options]
    text = run(helm, "template", "isogloss", root / "charts/isogloss", values, *sets)

    links = re.findall(r"runbook_url: (\S+)", text)
    assert len(links) > 20
    assert all(re.fullmatch(r"https://r/x/Isogloss\w+\.md", link) for link in links)


def test_prometheus_can_read_every_query_of_the_dashboards(run, promtool, root, tmp_path):
    queries = []
    for path in root.glob("monitoring/dashboards/*.json"):
        board = json.loads(path.read_text())
        queries += [t["expr"] for panel in board["panels"] for t in panel.get("targets", [])]
        queries += [each["expr"] for each in board["annotations"]["list"]]
    for name, value in CHOSEN.items():
        queries = [query.replace(name, value) for query in queries]
    assert len(queries) > 50
    assert not [query for query in queries if re.search(r"\$\w", query)]

    rules = [{"record": f"panel:query{n}:value", "expr": q} for n, q in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(queries)} rules found" in run(promtool, "check", "rules", path)
