"""What a tally asks SQLite to do: look each request up, never read all of a version for it."""

from sqlalchemy import create_engine
from sqlalchemy.dialects import sqlite

from drift_monitor.adapters import answer_rows
from drift_monitor.adapters.tables import METADATA
from drift_monitor.mirrored import Span

SPAN = Span(since=0.0, until=None, settled_before=1.0, late_after=5.0)
VERSIONS = (1, 2)


def plan_of(query):
    """Return SQLite's steps on an empty database: with no numbers of rows to go by, as for us."""
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    text = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    engine.dispose()
    return [step for *_, step in rows]


def test_what_the_candidate_said_of_a_request_is_looked_up():
    steps = plan_of(answer_rows._counts(VERSIONS, SPAN, ["negative", "positive"]))
    looked_up = [step for step in steps if step.startswith(("SEARCH report", "SEARCH theirs"))]

    assert looked_up
    assert all("request=?" in step for step in looked_up), steps


def test_what_the_baseline_said_of_a_request_is_looked_up():
    steps = plan_of(answer_rows._reported(VERSIONS, SPAN))

    assert [step for step in steps if step.startswith("SEARCH ours") and "request=?" in step], steps


def test_what_a_pairing_keeps_is_counted_without_what_was_kept_before_it():
    (step,) = plan_of(answer_rows._arrived(1, 10.0))

    assert "received_at>?" in step
