"""The gate policy's JSON Schema, for editors and other tools, made from what `policies` reads.

`scripts/policy_schema.py` writes it to `docs/schemas/gate-policy.schema.json`, and a test holds
that file equal to this. `read_policy` says more: which limit fits which measure's numbers, and
that every move is guarded.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lifecycle.behaviour import EDITS
from lifecycle.evidence import EvidenceKind
from lifecycle.explanations import EXPLAINED, ExplanationSample
from lifecycle.measures import APART, DIFFERENCES, LEAST_COVERAGE, MEASURES, RATES, SCORES
from lifecycle.policies import GUARDABLE, LONGEST_WAIT_SECONDS

ADDRESS = "urn:isogloss:schema:gate-policy:v1"
Schema = dict[str, Any]


def policy_schema() -> Schema:
    """Return the schema as a JSON document (draft 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ADDRESS,
        "title": "GatePolicy",
        "description": "Which Gates guard which move of a model's versions, and every limit.",
        **_mapping(
            {
                "kind": {"const": "GatePolicy"},
                "name": _text("whose policy it is, for people"),
                "version": _text("its version, for people; Evidence is bound to its digest"),
                "evidence_max_age_hours": _number(0.01, 8760, "older Evidence does not count"),
                "waivers_allowed": {
                    "type": "boolean",
                    "default": False,
                    "description": "whether a named person may let one Gate pass up to CANARY",
                },
                "gates": _list(_gate(), "the Gates; every guardable move needs one"),
                "behaviour": _behaviour(),
                "explanations": _explanations(),
                "training_images": _list(
                    {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
                    "images that a version must have been trained in, as proven",
                ),
                "approvals": _list(_approval(), "moves that people must approve, too"),
            },
            optional=(
                "waivers_allowed",
                "behaviour",
                "explanations",
                "training_images",
                "approvals",
            ),
        ),
    }


def _approval() -> Schema:
    return _mapping(
        {
            "move": {"enum": sorted(GUARDABLE), "description": "the move"},
            "count": _whole(1, 20, "how many people who did not make the version"),
        }
    )


def _gate() -> Schema:
    longest = LONGEST_WAIT_SECONDS
    return {
        **_mapping(
            {
                "name": _text("the Gate's name, unique in the policy"),
                "guards": _list({"enum": sorted(GUARDABLE)}, "the moves that it guards"),
                "evidence": {"enum": sorted(MEASURES), "description": "what it is judged on"},
                "rules": _list({"type": "object"}, "its limits; all must PASS"),
                "alpha": _number(0.0001, 0.2, "error rate of each bound", 0.05),
                "min_n": _whole(0, 10_000_000, "observations that a PASS needs", 0),
                "min_duration_seconds": _number(
                    0, longest, "how long a PASS must have been watched; shadow: a day, else 0"
                ),
                "max_duration_seconds": _number(
                    0,
                    longest,
                    "after which an INCONCLUSIVE Gate of a Rollout asks a person; a week where "
                    "nothing is said",
                ),
                "slow_ms": _number(
                    0.1, 600_000, "what slow_ratio and slow_difference count as slow", 150
                ),
                "load_per_second": _number(
                    0.1, 100_000, "open-loop rate at which latency is measured", 20
                ),
            },
            needed=("name", "guards", "evidence", "rules"),
        ),
        "allOf": [_rules_of(kind) for kind in sorted(MEASURES)],
    }


def _rules_of(kind: EvidenceKind) -> Schema:
    rules = [_rule(measure) for measure in sorted(MEASURES[kind])]
    return {
        "if": {"properties": {"evidence": {"const": kind.value}}},
        "then": {"properties": {"rules": {"items": {"oneOf": rules}}}},
    }


def _rule(measure: str) -> Schema:
    limits = {
        "at_least": measure in SCORES | DIFFERENCES,
        "at_most": measure not in SCORES | DIFFERENCES,
        "margin": measure in DIFFERENCES,
    }
    fitting = {name: _limit(measure) for name, fits in limits.items() if fits}
    fields: dict[str, Schema] = {
        "measure": {"const": measure},
        "slice": {"type": "string", "minLength": 1, "default": "all"},
        "min_n": _whole(0, 10_000_000, "rows on the Slice below which nothing is settled"),
    }
    if measure in EXPLAINED:
        said = "whether a version that explains nothing passes"
        fields["optional"] = {"type": "boolean", "default": False, "description": said}
    return {
        **_mapping({**fields, **fitting}, needed=("measure",)),
        "oneOf": [{"required": [name]} for name in fitting],
    }


def _limit(measure: str) -> Schema:
    if measure == "coverage":
        return {"type": "number", "minimum": LEAST_COVERAGE, "exclusiveMaximum": 1}
    if measure in RATES:
        return {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return {"type": "number", "minimum": -1, "maximum": 1 if measure in APART else 1e12}


def _explanations() -> Schema:
    rows, words = ExplanationSample.rows, ExplanationSample.words
    return _mapping(
        {
            "rows": _whole(1, 5_000, "rows of the pinned test set that are explained", rows),
            "words": _whole(1, 20, "words of an explanation that are then deleted", words),
        },
        needed=(),
    )


def _behaviour() -> Schema:
    named = {"name": _text("the test's name")}
    label = {"label": _text("a label of the data set")}
    change = {"change": {"enum": ["up", "down"]}, "tolerance": _number(0, 1, "of a score", 0.01)}
    words = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
    template = _text("the text; {word} stands for each of that list's words")
    functionality = _mapping({**named, "text": template, **label})
    return _mapping(
        {
            "words": {"type": "object", "additionalProperties": words},
            "rows": _whole(1, 5_000, "rows of the pinned test set that are edited", 200),
            "minimum_functionality": {"type": "array", "items": functionality},
            "invariance": {"type": "array", "items": _edited(named)},
            "direction": {
                "type": "array",
                "items": _edited({**named, **label, **change}, optional=("tolerance",)),
            },
        },
        needed=(),
    )


def _edited(fields: Mapping[str, Schema], optional: Iterable[str] = ()) -> Schema:
    """Return the schema of a test with an edit, whose own field depends on the edit."""
    swapped = {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}
    forms = []
    for edit in EDITS:
        added: Schema = {}
        if edit in {"append", "prepend"}:
            added = {"text": _text("what is added")}
        if edit == "replace":
            added = {"words": swapped}
        forms.append(_mapping({**fields, "edit": {"const": edit}, **added}, optional=optional))
    return {"oneOf": forms}


def _mapping(
    fields: Mapping[str, Schema],
    needed: Iterable[str] | None = None,
    optional: Iterable[str] = (),
) -> Schema:
    required = [name for name in fields if name not in set(optional)]
    return {
        "type": "object",
        "properties": dict(fields),
        "required": required if needed is None else list(needed),
        "additionalProperties": False,
    }


def _list(item: Schema, said: str) -> Schema:
    return {"type": "array", "items": item, "minItems": 1, "description": said}


def _text(said: str) -> Schema:
    return {"type": "string", "minLength": 1, "description": said}


def _number(low: float, high: float, said: str, default: float | None = None) -> Schema:
    number: Schema = {"type": "number", "minimum": low, "maximum": high, "description": said}
    return number if default is None else {**number, "default": default}


def _whole(low: int, high: int, said: str, default: int | None = None) -> Schema:
    return {**_number(low, high, said, default), "type": "integer"}
