"""Feeds both queues of events what happened to random requests, the one in C under sanitizers.

Whatever is added, they drop the same, tell the same and pack the same. What is no event is refused,
and leaves no trace. `scripts/sanitize.py` runs it; `make fuzz` for longer than the tests do.
"""

import argparse
import importlib.util
import sys
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.event_queues import EventQueues
from inference.events import Event, Subject
from inference.events_python import EventQueue as PythonEventQueue
from textmodels.predictions import Answer

LIMIT = 40
TEXTS = st.text(max_size=300) | st.text("ab \n", max_size=2_000)
NUMBERS = st.floats(allow_nan=False)
ANSWERS = st.builds(
    Answer,
    st.integers(-1, 200),
    st.lists(st.floats(0, 1) | st.floats(0, 1, width=32), max_size=40),
    st.integers(0, 2**31 - 1),
    NUMBERS,
    truncated=st.booleans(),
    projection=st.binary(min_size=128, max_size=128),
)
NAMES = st.sampled_from(["language", "length", "domain"]) | st.text(max_size=40)
ODD = st.none() | st.integers() | st.binary() | st.just("\ud800") | st.just((1, [0.5], 1))


@st.composite
def events(draw):
    """Draw the fields of an Event."""
    said = draw(st.lists(st.tuples(TEXTS, ANSWERS), min_size=1, max_size=5))
    texts, answers = [text for text, _ in said], [answer for _, answer in said]
    slices = draw(st.dictionaries(NAMES, st.text(max_size=80), max_size=20))
    outcome = draw(st.sampled_from(["ok", "error"]))
    answered = draw(st.booleans())
    head = (draw(st.text(max_size=150)), draw(NUMBERS), outcome, draw(NUMBERS), slices)
    return (*head, texts, answers) if answered else (*head, (), None)


def load(directory):
    """Return the queue that was compiled into a directory."""
    (library,) = directory.glob("_events.*.so")
    loader = ExtensionFileLoader("_events", str(library))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_events", loader))
    loader.exec_module(module)
    return module.EventQueue


class Heard:
    """A queue, and what it told."""

    def __init__(self, kind):
        subject = Subject("sentiment", "sha256:1", ("bad", "good"), b"key")
        self.told = []
        self.queue = EventQueues(subject, LIMIT, lambda: 1.5, lambda: "an-id", kind).open(
            lambda: self.told.append(self.queue.rows), lambda rows: self.told.append(-rows)
        )

    def take(self):
        taken = self.queue.take()
        return taken and (msgspec.msgpack.decode(taken[0]), taken[1])


def require_refused(queue, event, at, odd):
    """An event with one odd value is taken, if it is one all the same, or leaves no trace."""
    before = queue.rows
    try:
        queue.add(Event(*event[:at], odd, *event[at + 1 :]))
    except (TypeError, ValueError, OverflowError):
        assert queue.rows == before


def fuzz(kind, examples):
    """Run the property; return how many rows were packed."""
    rows = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(events(), max_size=20), events(), st.integers(0, 6), ODD)
    def both_queues_pack_the_same(many, broken, at, odd):
        nonlocal rows
        heard, twin = Heard(kind), Heard(PythonEventQueue)
        for event in many:
            heard.queue.add(Event(*event))
            twin.queue.add(Event(*event))
        rows += heard.queue.rows
        assert heard.told == twin.told
        assert heard.take() == twin.take()
        require_refused(heard.queue, broken, at, odd)
        while heard.queue.take():
            pass

    both_queues_pack_the_same()
    return rows


def main():
    """Fuzz the sanitized extension that `scripts/sanitize.py` has made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--libraries", type=Path, required=True)
    chosen = parser.parse_args()
    # A queue of events takes as long to draw as ten packets.
    examples = max(chosen.examples // 10, 20)
    rows = fuzz(load(chosen.libraries), examples)
    sys.stdout.write(f"{examples} queues of events, {rows} rows: nothing found\n")


if __name__ == "__main__":
    main()
