"""A Verdict as a person reads it: a line a reason, with its numbers."""

from collections.abc import Mapping
from typing import Any


def verdict_lines(verdict: Mapping[str, Any] | None) -> list[str]:
    """Return one line for the outcome and one for each reason; nothing without a Verdict."""
    if not verdict:
        return []
    lines = [f"Verdict {verdict['outcome']}"]
    for reason in verdict["reasons"]:
        waived = " (waived)" if reason.get("waived") else ""
        lines.append(f"  {reason['outcome']}{waived} {reason['gate']}: {reason['text']}")
    return lines
