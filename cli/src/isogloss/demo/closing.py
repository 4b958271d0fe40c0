"""The last step: a table of what happened, from the ledger and the result files alone."""

from dataclasses import asdict
from typing import Any

from isogloss.commands.local import address_table
from isogloss.demo.facts import RollbackFact, RolloutEnd, rollbacks, rollout_ends
from isogloss.demo.story import Story
from isogloss.files import write_json
from isogloss.output import Table


def sum_up(story: Story) -> dict[str, Any]:
    """Read everything back, show it, write the summary where one is wanted, and return it."""
    entries = story.connections.registry.history(story.model)
    loads = story.loads.results()
    ends, back = rollout_ends(entries), rollbacks(entries, loads)
    report = story.connections.registry.verify()
    drift = story.connections.drift.drift(story.model)
    state = story.connections.registry.model(story.model)
    summary = {
        "model": story.model,
        "seconds": round(story.narrator.elapsed(), 1),
        "steps": story.narrator.to_list(),
        "versions": {
            story.nickname(v["digest"]): {k: v[k] for k in ("number", "digest", "stage")}
            for v in state["versions"]
        },
        "loads": loads,
        "rollouts": [asdict(end) for end in ends],
        "rollbacks": [asdict(fact) for fact in back],
        "denials": [entry["body"] for entry in entries if entry["kind"] == "denied"],
        "waivers": [entry["body"] for entry in entries if entry["kind"] == "waiver"],
        "drift": drift,
        "ledger": report,
    }
    narrator = story.narrator
    narrator.table("Load generator (its result files)", _load_table(story, loads))
    narrator.table("Rollouts (the ledger)", _rollout_table(story, ends))
    narrator.table("Rollbacks (decision: ledger; answers: load generator)", _back(story, back))
    narrator.tell(
        f"the ledger has {report['entries']} entries and is whole: {report['problem'] is None}"
    )
    narrator.table(
        "Addresses (isogloss down stops them)",
        address_table(dict(story.connections.addresses.ports)),
    )
    if story.plan.summary:
        write_json(story.plan.summary, summary)
    return summary


def _load_table(story: Story, loads: dict[str, Any]) -> Table:
    rows = []
    for name, counts in loads.items():
        answered = ", ".join(
            f"{story.nickname(version)} {held['requests']:,}"
            for version, held in counts["versions"].items()
        )
        latency = counts["latency_ms"]
        numbers = (f"{counts['requests']:,}", f"{counts['failures']:,}")
        rows.append((name, *numbers, f"{latency['p50']}", f"{latency['p99']}", answered))
    return Table(("run", "requests", "failed", "p50 ms", "p99 ms", "answered by"), rows)


def _rollout_table(story: Story, ends: list[RolloutEnd]) -> Table:
    rows = [(story.nickname(end.candidate), end.phase, end.reason) for end in ends]
    return Table(("candidate", "ended", "why"), rows)


def _back(story: Story, facts: list[RollbackFact]) -> Table:
    columns = ("from", "to", "by", "in effect ms", "last answer ms", "of one sent ms", "failed")
    rows = [
        (
            story.nickname(fact.left),
            story.nickname(fact.to),
            "itself" if fact.automatic else "hand",
            _ms(fact.effective_milliseconds),
            _ms(fact.last_answer_milliseconds),
            _ms(fact.last_sent_milliseconds),
            f"{fact.failed_requests:,}",
        )
        for fact in facts
    ]
    return Table(columns, rows)


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.0f}"
