"""What a Rollout needs, as a person reads it: rows and hours a rule, at the traffic there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isogloss.output import Table

_COLUMNS = ("gate", "rule", "of", "to PASS if", "needs", "takes", "to FAIL if", "needs", "takes")
_HOUR, _DAY = 3600.0, 86_400.0


@dataclass(frozen=True)
class Traffic:
    """Rows a second that a shadow's pairs, its labelled pairs and a canary's requests come at, and
    the shares of the Slices.
    """

    pairs: float
    labelled: float
    requests: float
    slices: Mapping[str, float]

    def rate(self, rule: Mapping[str, Any]) -> float:
        """Return the rows a second that a rule is judged on."""
        rates = {"pairs": self.pairs, "labelled pairs": self.labelled, "requests": self.requests}
        share = 1.0 if rule["slice"] == "all" else self.slices.get(rule["slice"], 0.0)
        return rates[rule["unit"]] * share


def traffic_of(page: Mapping[str, Any], mirror: float, canary: float) -> Traffic:
    """Read the drift-monitor's page; `mirror` and `canary` are percentages of the requests."""
    texts = page["texts_per_second"]
    pairs = texts * page["unique_share"] * mirror / 100
    shares = {name: rate / texts for name, rate in page["slices"].items() if texts}
    labelled = min(page["labels_per_second"] * mirror / 100, pairs)
    return Traffic(pairs, labelled, texts * canary / 100, shares)


def with_hours(plan: Mapping[str, Any], traffic: Traffic) -> list[dict[str, Any]]:
    """Return the plan's rules, each with the hours that its rows take."""
    return [
        {
            **rule,
            "pass_hours": _hours(rule["pass_rows"], traffic.rate(rule)),
            "fail_hours": _hours(rule["fail_rows"], traffic.rate(rule)),
        }
        for rule in plan["rules"]
    ]


def forecast_table(rules: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row a rule."""
    rows = [
        (
            rule["gate"],
            f"{rule['measure']} on {rule['slice']}: {rule['limit']:g}",
            rule["unit"],
            *_cells(rule["good"], rule["pass_rows"], rule["pass_hours"]),
            *_cells(rule["bad"], rule["fail_rows"], rule["fail_hours"]),
        )
        for rule in rules
        if rule["pass_rows"] or rule["fail_rows"]
    ]
    return Table(_COLUMNS, rows)


def wait_lines(plan: Mapping[str, Any]) -> list[str]:
    """Say what each Gate waits for beside its rules."""
    return [_waits(gate) for gate in plan["gates"]]


def step_lines(outlook: Mapping[str, Any]) -> list[str]:
    """Say which Gates decide in which step, and what is worth knowing of them."""
    steps = [f"{_users(step)}: {_deciding(step)}" for step in outlook["steps"]]
    return [*steps, *(f"note: {remark}" for remark in outlook["remarks"])]


def _users(step: Mapping[str, Any]) -> str:
    return f"{step['phase']}, {step['users']} % of the users"


def _deciding(step: Mapping[str, Any]) -> str:
    if step["decided_by"]:
        return f"{', '.join(step['decided_by'])} must PASS"
    return f"a FAIL of {', '.join(step['watched_by'])} goes back"


def _waits(gate: Mapping[str, Any]) -> str:
    least, most = gate["min_duration_seconds"], gate["max_duration_seconds"]
    asked = "" if most is None else f", and after {_time(most)} a person is asked"
    return f"{gate['name']}: at least {gate['min_n']:,} rows over {_time(least)}{asked}"


def _hours(rows: int | None, rate: float) -> float | None:
    return rows / rate / _HOUR if rows and rate else None


def _cells(truth: float | None, rows: int | None, hours: float | None) -> tuple[str, str, str]:
    told = "at least" if truth is None else f"{truth:g}"
    takes = "-" if hours is None else _time(hours * _HOUR)
    return (told, f"{rows:,}", takes) if rows else ("-", "never", "-")


def _time(seconds: float) -> str:
    if seconds < _HOUR:
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.1f} days"
