from dataclasses import replace

import pytest

from lifecycle.rollouts import (
    NOTHING_TO_SERVE,
    Colour,
    Marker,
    Phase,
    Rollout,
    RouteIntent,
    marker_from_dict,
    rollout_from_dict,
    route_for,
)

ROLLOUT = Rollout(
    id="r-7",
    candidate="sha256:" + "c" * 64,
    candidate_colour=Colour.GREEN,
    baseline="sha256:" + "b" * 64,
    phase=Phase.SHADOWING,
    step=-1,
    paused=None,
    started_at=1.0,
    phase_since=2.0,
)
FIRST = replace(ROLLOUT, baseline=None)
BASELINE_ONLY = RouteIntent(blue=100, green=0)
CANDIDATE_ONLY = RouteIntent(blue=0, green=100)


@pytest.mark.parametrize(
    ("phase", "step", "route"),
    [
        (Phase.PENDING, -1, BASELINE_ONLY),
        (Phase.SHADOWING, -1, replace(BASELINE_ONLY, mirror=Colour.GREEN, mirror_percent=100)),
        (Phase.CANARY, 0, RouteIntent(blue=90, green=10)),
        (Phase.CANARY, 1, RouteIntent(blue=50, green=50)),
        (Phase.CANARY, 9, RouteIntent(blue=50, green=50)),
        (Phase.BAKING, -1, CANDIDATE_ONLY),
        (Phase.SUCCEEDED, -1, CANDIDATE_ONLY),
        (Phase.ROLLED_BACK, -1, BASELINE_ONLY),
        (Phase.ABORTED, -1, BASELINE_ONLY),
    ],
)
def test_the_route_follows_from_the_phase_and_the_step(phase, step, route):
    assert route_for(replace(ROLLOUT, phase=phase, step=step), (10, 50), 100) == route


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.ABORTED, Phase.ROLLED_BACK])
def test_a_first_release_that_has_not_succeeded_serves_nothing(phase):
    assert route_for(replace(FIRST, phase=phase), (10,), 100) == NOTHING_TO_SERVE


def test_a_model_without_a_rollout_serves_nothing():
    assert route_for(None, (10,), 100) == NOTHING_TO_SERVE


def test_a_pause_does_not_move_the_route():
    paused = replace(ROLLOUT, phase=Phase.CANARY, step=1, paused="ask a person")

    assert route_for(paused, (10, 50), 100) == RouteIntent(blue=50, green=50)


def test_moving_on_ends_a_pause():
    assert replace(ROLLOUT, paused="ask").at(Phase.CANARY, now=9.0, step=0).paused is None


def test_a_rollout_and_a_marker_survive_the_wire():
    marker = Marker("r-7", 12, "errors", ROLLOUT.candidate, Colour.BLUE, 3.0, automatic=True)

    assert rollout_from_dict(ROLLOUT.to_dict()) == ROLLOUT
    assert marker_from_dict(marker.to_dict()) == marker
