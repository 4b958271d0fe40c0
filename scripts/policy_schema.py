# ruff: noqa: INP001 - a script, not a package
"""Writes the gate policy's JSON Schema where editors and other tools find it."""

import json
from pathlib import Path

from lifecycle.policy_schema import policy_schema

PUBLISHED = Path(__file__).resolve().parent.parent / "docs/schemas/gate-policy.schema.json"

if __name__ == "__main__":
    PUBLISHED.parent.mkdir(exist_ok=True)
    PUBLISHED.write_text(json.dumps(policy_schema(), indent=1) + "\n", encoding="utf-8")
