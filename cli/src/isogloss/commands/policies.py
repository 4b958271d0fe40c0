"""policy: whether a gate policy can be used, and the schema that editors check it with."""

from pathlib import Path
from typing import Annotated

import typer

from isogloss.failures import Refused
from isogloss.files import read_needed
from isogloss.output import Format, FormatOption, Table, say, show
from isogloss.projects import parse_document
from lifecycle.documents import DocumentRefused
from lifecycle.policies import AtLeast, AtMost, Gate, GatePolicy, Rule
from lifecycle.policy_files import read_policy
from lifecycle.policy_schema import policy_schema

commands = typer.Typer(no_args_is_help=True, help="Gate policies: checking them, their schema.")
PlaceArgument = Annotated[Path, typer.Argument(exists=True, help="A policy, or its project.")]


@commands.command(epilog="Example: isogloss policy check examples/sentiment")
def check(place: PlaceArgument, output: FormatOption = Format.TABLE) -> None:
    """Read a gate policy as the registry-proxy will; exits 1 with the field that is wrong."""
    path = place / "policy.yaml" if place.is_dir() else place
    policy = read_policy_file(path)
    show(policy_document(policy), output, lambda: _table(policy))
    say(f"{path} can be used: {policy.name} {policy.version}")


@commands.command(epilog="Example: isogloss policy schema > gate-policy.schema.json")
def schema(output: FormatOption = Format.JSON) -> None:
    """Print the JSON Schema of gate policies."""
    form = Format.JSON if output is Format.TABLE else output
    show(policy_schema(), form, lambda: Table((), []))


def read_policy_file(path: Path) -> GatePolicy:
    """Return the policy of a file; raises Refused with what is wrong with it."""
    content = read_needed(path, "the gate policy", "a project holds a policy.yaml")
    try:
        return read_policy(parse_document(content, path))
    except DocumentRefused as refused:
        raise Refused(f"{path}: {refused}") from refused


def policy_document(policy: GatePolicy) -> dict[str, object]:
    """Return what a policy says, as data."""
    return {
        "name": policy.name,
        "version": policy.version,
        "rules": [
            {"gate": gate.name, "guards": sorted(gate.guards), "rule": _rule(rule)}
            for gate in policy.gates
            for rule in gate.rules
        ],
    }


def _table(policy: GatePolicy) -> Table:
    rows = [_row(gate, rule) for gate in policy.gates for rule in gate.rules]
    return Table(("gate", "guards", "evidence", "rule", "min n"), rows)


def _row(gate: Gate, rule: Rule) -> list[str]:
    guards = ", ".join(sorted(gate.guards))
    return [gate.name, guards, gate.evidence.value, _rule(rule), f"{rule.min_n:,}"]


def _rule(rule: Rule) -> str:
    match rule.limit:
        case AtLeast(value):
            limit = f"at least {value:g}"
        case AtMost(value):
            limit = f"at most {value:g}"
        case _:
            limit = f"not worse by {rule.limit.margin:g}"
    return f"{rule.measure} on {rule.slice}: {limit}"
