"""Step 11: the language of the texts changes, and the drift-monitor says so."""

from typing import Any

from isogloss.adapters.processes import now, pause
from isogloss.demo.first_release import tell_counts
from isogloss.demo.loads import LoadRequest
from isogloss.demo.story import Story
from isogloss.failures import Refused

_WINDOWS = 2
"""In-domain windows more that must pass without a finding before the language changes."""
_LIMIT_SECONDS = 120.0
_LOOK_EVERY_SECONDS = 0.5


def change_the_language(story: Story) -> None:
    """In-domain traffic raises no finding; texts of other domains do."""
    with story.narrator.step(11, "Drift: texts of other domains arrive"):
        _send_film_reviews(story)
        rate = story.plan.traffic.drift
        other = LoadRequest("other-domain", story.other_domain, rate, domain="other")
        with story.loads.running(other):
            drift = _until(story, lambda drift: _findings(story, drift))
        tell_counts(story, story.loads.counts(other.name))
        for finding in _findings(story, drift):
            story.narrator.tell(f"finding: {finding['text']}")


def _send_film_reviews(story: Story) -> None:
    enough = _windows(story, story.connections.drift.drift(story.model)) + _WINDOWS
    usual = LoadRequest("in-domain", story.reviews, story.plan.traffic.drift)
    with story.loads.running(usual):
        drift = _until(story, lambda drift: _windows(story, drift) >= enough)
    tell_counts(story, story.loads.counts(usual.name))
    found = _findings(story, drift)
    windows = _windows(story, drift)
    story.narrator.tell(f"{windows} windows of film reviews so far: {len(found)} findings")
    if found:
        raise Refused(f"traffic like the training data raised a finding: {found[0]['text']}")


def _until(story: Story, reached: Any) -> Any:
    deadline = now() + _LIMIT_SECONDS
    while not reached(drift := story.connections.drift.drift(story.model)):
        if now() > deadline:
            raise Refused(
                f"the drift-monitor came to no conclusion in {_LIMIT_SECONDS:.0f} s: "
                f"isogloss drift status {story.model}"
            )
        pause(_LOOK_EVERY_SECONDS)
    return drift


def _windows(story: Story, drift: Any) -> int:
    counts = [
        signal["windows"]
        for version in drift["versions"]
        if version["digest"] == story.versions["keras"]
        for signal in version["signals"]
        if signal["slice"] == "all"
    ]
    return max(counts, default=0)


def _findings(story: Story, drift: Any) -> list[Any]:
    """Return the findings on the version that serves; a drilled one's are not about traffic."""
    return [f for f in drift["findings"] if f["digest"] == story.versions["keras"]]
