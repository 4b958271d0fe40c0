"""How fast going back is: from before the route is written to the last request that was sent to
the version that was left, as the load generator saw it.
"""

from bars import Bar, Report, tell
from stage import Stage, failed, percentile

from sentiment import MODEL

RATE = 300


def measure_rollbacks(report: Report, stage: Stage, tries: int) -> list[Bar]:
    """Go back while the version bakes with all traffic; `decided_at` is before the API write."""
    release = stage.release
    times, lost, requests, unsent = [], 0, 0, 0
    for attempt in range(tries):
        stage.reset(bakeSeconds=120)
        with stage.loaded(RATE) as load:
            release.roll_out(MODEL, stage.second)
            release.await_phase(MODEL, "BAKING")
            back = release.roll_back(MODEL, "measured")
            counts = load.stop()
        left = counts["versions"][stage.second]["last_sent_at"]
        times.append((left - back["decided_at"]) * 1000)
        lost += failed(counts)
        requests += counts["requests"]
        unsent += counts["not_sent"]
        tell(f"rollback {attempt + 1} of {tries}: last request {times[-1]:.0f} ms after")
    what = (
        f"ms from the decision to go back to the last request sent to the version left, of {tries}"
    )
    return [
        report.at_most("rollback-p99-ms", f"p99 of {what}", 250, percentile(times, 0.99)),
        report.shown("rollback-median-ms", f"median of {what}", percentile(times, 0.5)),
        report.at_most("rollback-failed", f"failed of {requests} requests meanwhile", 0, lost),
        report.shown("rollback-unsent", "requests that the load could not send in time", unsent),
    ]
