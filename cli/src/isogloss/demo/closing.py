"""The last step: a table of what happened, from the ledger and the result files alone."""

from dataclasses import asdict
from typing import Any

from isogloss.addresses import remembered_addresses
from isogloss.demo.facts import (
    RollbackFact,
    RolloutEnd,
    offline_scores,
    rollbacks,
    rollout_ends,
)
from isogloss.demo.story import Story
from isogloss.files import write_json
from isogloss.output import Table
from isogloss.status import address_table


def sum_up(story: Story) -> dict[str, Any]:
    """Read everything back, show it, write the summary where one is wanted, and return it."""
    entries = story.connections.registry.history(story.model)
    loads = story.loads.results()
    ends, back = rollout_ends(entries), rollbacks(entries, loads)
    scores = offline_scores(entries)
    versions = {
        story.nickname(version["digest"]): {
            **{key: version[key] for key in ("number", "digest", "stage")},
            "macro_f1": scores.get(version["digest"]),
        }
        for version in story.connections.registry.model(story.model)["versions"]
    }
    summary = {
        "model": story.model,
        "seconds": round(story.narrator.elapsed(), 1),
        "steps": story.narrator.to_list(),
        "versions": versions,
        "loads": loads,
        "rollouts": [asdict(end) for end in ends],
        "rollbacks": [asdict(fact) for fact in back],
        "denials": [entry["body"] for entry in entries if entry["kind"] == "denied"],
        "waivers": [entry["body"] for entry in entries if entry["kind"] == "waiver"],
        "drift": story.connections.drift.drift(story.model),
        "ledger": story.connections.registry.verify(),
    }
    if story.plan.summary:
        write_json(story.plan.summary, summary)
    narrator = story.narrator
    narrator.table("Versions (the ledger)", _version_table(versions))
    narrator.table("Rollouts (the ledger)", _rollout_table(story, ends))
    narrator.table("Load generator (its result files)", _load_table(story, loads))
    narrator.table("Rollbacks (decision: ledger; answers: load generator)", _back(story, back))
    _tell_ledger(story, summary["ledger"])
    return summary


def _tell_ledger(story: Story, report: Any) -> None:
    sound = "is whole" if report["problem"] is None else f"is broken: {report['problem']}"
    story.narrator.tell(f"the ledger has {report['entries']} entries and {sound}")
    addresses = address_table(remembered_addresses(story.plan.home).ports)
    story.narrator.table("Addresses (isogloss down stops them)", addresses)


def _version_table(versions: dict[str, Any]) -> Table:
    rows = [
        (name, str(held["number"]), held["stage"], held["macro_f1"] or "-")
        for name, held in versions.items()
    ]
    return Table(("version", "number", "stage", "macro-F1 on the pinned test set"), rows)


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
