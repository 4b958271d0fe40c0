"""What is decided on one look, as tables; nothing here acts."""

from dataclasses import replace

import pytest
from rollout_controller_fakes import (
    MODEL,
    NEW,
    OLD,
    OLDER,
    PATIENCE,
    START,
    a_policy,
    a_rollout,
    a_served_model,
    a_state,
    gone,
    ready,
    unready,
    verdict,
)

from lifecycle.capacity import Scale
from lifecycle.model_states import ModelState
from lifecycle.rollouts import NOTHING_TO_SERVE, Colour, Marker, Phase, RouteIntent, all_to
from rollout_controller.forward import Advancing, OpenPairing, Pausing, Wait
from rollout_controller.observed import Asked, Observed
from rollout_controller.plan import GoBack, Load, Record, Settle, Unload, WriteRoute, next_action
from rollout_controller.ports import Mirroring, Notes
from rollout_controller.route_objects import HeldRoute, Route, Wish
from rollout_controller.tallies import Counters, Tally

BLUE, GREEN = Colour.BLUE, Colour.GREEN
BOTH = {BLUE: ready(OLD, 8400), GREEN: ready(NEW, 8500)}
ONLY_OLD = {BLUE: ready(OLD, 8400)}
BY_CPU = {"class": "hpa", "maxReplicas": 4}
MIRRORED = replace(all_to(BLUE), mirror=GREEN, mirror_percent=100)
INTENTS = {
    Phase.PENDING: all_to(BLUE),
    Phase.SHADOWING: MIRRORED,
    Phase.CANARY: RouteIntent(90, 10),
    Phase.BAKING: all_to(GREEN),
    Phase.SUCCEEDED: all_to(GREEN),
    Phase.ROLLED_BACK: all_to(BLUE),
    Phase.ABORTED: all_to(BLUE),
}


def a_marker(ledger_seq=20, to=OLD, colour=BLUE, rollout="r7"):
    return Marker(rollout, ledger_seq, "health", to, colour, START, automatic=True)


def a_tally(rollout, requests=100, errors=0, over=0, seconds=10):
    total = Counters(requests, errors, requests - errors, over)
    now = START + seconds
    return Tally(rollout.id, rollout.phase, rollout.step, START, now, {}, total)


def held(intent, rollout, colours=BOTH, marker=None, seq=20):
    backends = {colour: state.address for colour, state in colours.items() if state.address}
    route = Route(MODEL, ("*",), intent, backends, rollout, seq, marker)
    return HeldRoute(route, "1")


def seen(rollout, colours=BOTH, intent=None, **changes):
    """A look at a model whose route is what its Rollout asks for, unless told otherwise."""
    production = NEW if rollout and rollout.phase in (Phase.BAKING, Phase.SUCCEEDED) else OLD
    intent = INTENTS[rollout.phase] if intent is None else intent
    marker = changes.pop("marker", None)
    look = Observed(
        now=START + 10,
        served=a_served_model(),
        patience=PATIENCE,
        state=a_state(rollout, production=production),
        fresh=True,
        policy=a_policy(),
        held=held(intent, rollout, colours, marker),
        in_effect=True,
        colours=colours,
        health=None,
        in_flight=0,
        paired_since=None,
        mirroring=Mirroring(possible=True),
        notes=Notes(),
        asked=None,
        faults={},
    )
    return replace(look, **changes)


def test_a_model_without_versions_gets_a_route_that_says_so():
    look = seen(a_rollout(Phase.ABORTED), {}, state=a_state(None, production=None), held=None)

    assert next_action(look).route.intent == NOTHING_TO_SERVE


def test_a_candidate_is_loaded_into_its_colour():
    assert next_action(seen(a_rollout(Phase.PENDING), ONLY_OLD)) == Load(GREEN, NEW)


def test_what_the_free_colour_still_runs_is_replaced():
    colours = {BLUE: ready(OLD), GREEN: ready(OLDER, 8500)}
    assert next_action(seen(a_rollout(Phase.PENDING), colours)) == Load(GREEN, NEW)


def test_what_serves_is_never_replaced():
    """The ledger says blue, but green has the traffic: blue is loaded first, then traffic moves."""
    colours = {GREEN: ready(OLD, 8500)}
    first = seen(a_rollout(Phase.PENDING), colours, all_to(GREEN))
    assert next_action(first) == Load(BLUE, OLD)

    loading = seen(a_rollout(Phase.PENDING), {**colours, BLUE: unready(OLD)}, all_to(GREEN))
    assert isinstance(next_action(loading), Wait)

    loaded = seen(a_rollout(Phase.PENDING), {**colours, BLUE: ready(OLD)}, all_to(GREEN))
    assert next_action(loaded).route.intent == all_to(BLUE)


@pytest.mark.parametrize("effect", [False, None])
def test_a_colour_is_not_free_before_the_gateway_has_left_it(effect):
    colours = {BLUE: ready(OLD), GREEN: ready(OLDER, 8500)}
    action = next_action(seen(a_rollout(Phase.PENDING), colours, in_effect=effect))

    assert not isinstance(action, Load)


@pytest.mark.parametrize(
    ("baseline", "after"), [(OLD, Advancing(Phase.SHADOWING)), (None, Advancing(Phase.SUCCEEDED))]
)
def test_a_ready_candidate_moves_on(baseline, after):
    rollout = a_rollout(Phase.PENDING, baseline=baseline)
    colours = BOTH if baseline else {GREEN: ready(NEW, 8500)}
    intent = all_to(BLUE) if baseline else NOTHING_TO_SERVE

    assert next_action(seen(rollout, colours, intent)) == after


@pytest.mark.parametrize(
    ("mirroring", "expected"),
    [
        (Mirroring(possible=True), Advancing(Phase.SHADOWING)),
        (
            Mirroring(possible=False, reason="class x cannot: use another"),
            Pausing("the gateway cannot mirror: class x cannot: use another"),
        ),
        (
            Mirroring(possible=None, reason="it is silent"),
            Wait("MirrorUnproven", "whether the gateway can mirror is not known: it is silent"),
        ),
        (
            None,
            Wait("MirrorUnproven", "whether the gateway can mirror is not known: it was not asked"),
        ),
    ],
    ids=["can", "cannot", "unproven", "not asked"],
)
def test_no_shadow_begins_before_the_gateway_is_known_to_mirror(mirroring, expected):
    assert next_action(seen(a_rollout(Phase.PENDING), mirroring=mirroring)) == expected


def test_a_first_release_needs_no_mirror():
    rollout = a_rollout(Phase.PENDING, baseline=None)
    colours = {GREEN: ready(NEW, 8500)}
    look = seen(rollout, colours, NOTHING_TO_SERVE, mirroring=Mirroring(possible=False))

    assert next_action(look) == Advancing(Phase.SUCCEEDED)


def test_a_first_release_gets_all_traffic_once_it_succeeded():
    rollout = a_rollout(Phase.SUCCEEDED, baseline=None)
    look = seen(rollout, {GREEN: ready(NEW, 8500)}, NOTHING_TO_SERVE)

    assert next_action(look).route.intent == all_to(GREEN)


def test_no_weight_goes_to_a_colour_that_is_not_ready():
    look = seen(a_rollout(Phase.CANARY), {**BOTH, GREEN: unready(NEW, 8500, START + 8)}, MIRRORED)
    assert next_action(look).reason == "PredictorNotReady"


def test_a_route_that_was_lost_in_a_canary_serves_the_baseline_first():
    action = next_action(seen(a_rollout(Phase.CANARY), held=None, in_effect=False, in_flight=3))
    assert action.route.intent == all_to(BLUE)


def test_what_serves_stays_while_neither_ledger_nor_route_says_what_was():
    unknown = ModelState(MODEL)
    look = seen(a_rollout(Phase.SUCCEEDED), held=None, in_effect=False, fresh=False, state=unknown)

    assert next_action(look).reason == "RegistryUnreachable"


@pytest.mark.parametrize(
    ("intent", "effect", "in_flight", "waited", "expected"),
    [
        (MIRRORED, True, 0, 0, all_to(BLUE)),
        (all_to(BLUE), True, 3, 0, "MirrorDrains"),
        (all_to(BLUE), True, None, 16, "HealthUnknown"),
        (all_to(BLUE), False, 0, 0, all_to(BLUE)),
        (all_to(BLUE), True, 0, 0, RouteIntent(90, 10)),
        (all_to(BLUE), True, 3, 16, RouteIntent(90, 10)),
    ],
    ids=["mirrored", "three left", "unknown", "not in effect", "drained", "for too long"],
)
def test_the_mirrors_copies_end_before_users_are_sent(intent, effect, in_flight, waited, expected):
    rollout = a_rollout(Phase.CANARY)
    changes = {"in_effect": effect, "in_flight": in_flight, "now": START + waited}
    action = next_action(seen(rollout, intent=intent, **changes))

    assert (action.reason if isinstance(action, Wait) else action.route.intent) == expected


def test_a_predictor_that_moved_is_followed_whoever_is_down():
    """Started again on other ports: the old address serves nobody."""
    moved = {**BOTH, BLUE: unready(OLD, 8600)}
    look = seen(
        a_rollout(Phase.SUCCEEDED), moved, fresh=False, held=seen(a_rollout(Phase.SUCCEEDED)).held
    )

    action = next_action(look)
    assert isinstance(action, WriteRoute)
    assert action.route.backends[BLUE] == "127.0.0.1:8600"
    assert action.route.intent == all_to(GREEN)


def test_a_route_that_is_not_in_effect_is_written_again():
    assert isinstance(next_action(seen(a_rollout(Phase.SUCCEEDED), in_effect=False)), WriteRoute)


@pytest.mark.parametrize("phase", list(Phase))
def test_nothing_moves_while_the_gateway_is_mute(phase):
    action = next_action(seen(a_rollout(phase), in_effect=None))
    assert action.reason == "GatewayUnreachable"


@pytest.mark.parametrize("phase", list(Phase))
def test_nothing_moves_while_the_registry_is_down(phase):
    action = next_action(seen(a_rollout(phase), fresh=False))
    assert action.reason == "RegistryUnreachable"


def test_pairing_begins_after_the_mirror_is_in_effect():
    assert next_action(seen(a_rollout(Phase.SHADOWING))) == OpenPairing(START + 10 + 1)


@pytest.mark.parametrize(
    ("since", "asked_at", "expected"),
    [
        (START + 11, None, "PairingBegins"),
        (START + 5, None, Advancing(Phase.CANARY, 0)),
        (START + 5, START + 9, "GateInconclusive"),
        (START + 5, START + 7, Advancing(Phase.CANARY, 0)),
    ],
    ids=["not begun", "first question", "just asked", "asked a while ago"],
)
def test_the_shadow_gate_is_asked_now_and_then(since, asked_at, expected):
    rollout = a_rollout(Phase.SHADOWING)
    asked = Asked(rollout.id, rollout.phase, -1, asked_at, verdict("INCONCLUSIVE"))
    look = seen(rollout, paired_since=since, asked=asked if asked_at else None)
    action = next_action(look)

    assert (action.reason if isinstance(action, Wait) else action) == expected


def test_a_failed_shadow_gate_ends_the_rollout():
    rollout = a_rollout(Phase.SHADOWING)
    asked = Asked(rollout.id, rollout.phase, -1, START, verdict("FAIL", "31 % disagree"))
    action = next_action(seen(rollout, asked=asked))

    assert action == GoBack("SHADOWING gate: 31 % disagree", asked.verdict)


def test_a_verdict_on_an_earlier_step_is_no_reason():
    asked = Asked("r7", Phase.SHADOWING, -1, START, verdict("FAIL"))
    rollout = a_rollout(Phase.CANARY)
    assert not isinstance(next_action(seen(rollout, asked=asked)), GoBack)


@pytest.mark.parametrize("phase", [Phase.SHADOWING, Phase.CANARY])
def test_a_person_is_asked_when_a_gate_stays_inconclusive_for_too_long(phase):
    rollout = a_rollout(phase)
    notes = Notes(a_tally(rollout)) if phase is Phase.CANARY else Notes()
    look = seen(
        rollout,
        now=START + 700,
        policy=a_policy(max_seconds=600),
        paired_since=START,
        health=verdict("INCONCLUSIVE", "too few"),
        notes=notes,
    )

    assert isinstance(next_action(look), Pausing)
    resumed = replace(look, notes=replace(notes, resumed_at=START + 650))
    assert not isinstance(next_action(resumed), Pausing)


@pytest.mark.parametrize(
    ("phase", "step", "outcome", "expected"),
    [
        (Phase.CANARY, 0, "PASS", Advancing(Phase.CANARY, 1)),
        (Phase.CANARY, 1, "PASS", Advancing(Phase.BAKING)),
        (Phase.CANARY, 0, "INCONCLUSIVE", "CanaryInconclusive"),
        (Phase.BAKING, -1, "PASS", "Baking"),
        (Phase.BAKING, -1, "INCONCLUSIVE", "Baking"),
    ],
)
def test_a_canary_goes_on_only_on_a_pass(phase, step, outcome, expected):
    rollout = a_rollout(phase, step)
    intent = RouteIntent(50, 50) if step == 1 else None
    look = seen(rollout, intent=intent, health=verdict(outcome), notes=Notes(a_tally(rollout)))
    action = next_action(look)

    assert (action.reason if isinstance(action, Wait) else action) == expected


def test_baking_succeeds_when_its_time_is_over_and_the_candidate_is_measured():
    rollout = a_rollout(Phase.BAKING)
    notes = Notes(a_tally(rollout, seconds=31))
    look = seen(rollout, now=START + 31, health=verdict("INCONCLUSIVE"), notes=notes)
    late = Notes(replace(notes.tally, began_at=START + 20, whole=True))
    unread = Notes(a_tally(rollout, seconds=20))

    assert next_action(look) == Advancing(Phase.SUCCEEDED)
    assert next_action(replace(look, notes=late)).reason == "Baking", "its route came late"
    assert next_action(replace(look, notes=unread)).reason == "Baking", "nobody looked since"
    assert next_action(replace(look, health=None)).reason == "HealthUnknown"


@pytest.mark.parametrize("phase", [Phase.CANARY, Phase.BAKING])
@pytest.mark.parametrize("paused", [None, "a person looks"])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_sick_candidate_goes_back_paused_or_not_and_without_the_registry(phase, paused, fresh):
    rollout = a_rollout(phase, paused=paused)
    look = seen(rollout, health=verdict("FAIL", "9 % errors"), fresh=fresh)

    assert next_action(look) == GoBack(f"{phase} health: 9 % errors", look.health)


@pytest.mark.parametrize(
    ("state", "goes_back"),
    [
        (gone(NEW), True),
        (unready(NEW, 8500, since=START + 8), False),
        (unready(NEW, 8500, since=START + 4), True),
    ],
    ids=["it ended", "unready for 2 s", "unready for 6 s"],
)
def test_a_candidate_that_is_not_there_goes_back(state, goes_back):
    look = seen(a_rollout(Phase.CANARY), {**BOTH, GREEN: state})
    assert isinstance(next_action(look), GoBack) is goes_back


@pytest.mark.parametrize(
    ("phase", "baseline", "goes_back"),
    [
        (Phase.CANARY, gone(OLD), False),
        (Phase.BAKING, unready(OLD), False),
        (Phase.CANARY, unready(OLD), True),
    ],
    ids=["it ended", "it has no share and is unready", "it has most requests as it is"],
)
def test_nobody_is_sent_to_a_baseline_that_cannot_answer(phase, baseline, goes_back):
    look = seen(a_rollout(phase), {**BOTH, BLUE: baseline}, health=verdict("FAIL"))
    action = next_action(look)

    assert isinstance(action, GoBack) is goes_back
    if not goes_back and isinstance(action, WriteRoute):
        assert action.route.intent == look.held.route.intent


def test_a_candidate_that_never_loads_is_given_up():
    look = seen(a_rollout(Phase.PENDING), {**BOTH, GREEN: unready(NEW, 8500)}, now=START + 61)
    action = next_action(look)

    assert isinstance(action, GoBack)
    assert "was not ready within 61 s: it is starting" in action.reason


@pytest.mark.parametrize("state", [gone(NEW), unready(NEW, 8500), None])
@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.CANARY, Phase.BAKING])
def test_predictors_that_cannot_be_seen_have_not_gone(phase, state):
    colours = {BLUE: ready(OLD), **({GREEN: state} if state else {})}
    faults = {"workloads": "the API server is down"}
    look = seen(a_rollout(phase), colours, now=START + 100, faults=faults)

    assert next_action(look) == Wait(
        "WorkloadsUnreachable",
        "the predictors cannot be seen, all stays as it is: the API server is down",
    )


def test_a_candidate_that_is_measured_to_be_sick_goes_back_unseen():
    faults = {"workloads": "the API server is down"}
    look = seen(a_rollout(Phase.CANARY), health=verdict("FAIL"), faults=faults)

    assert isinstance(next_action(look), GoBack)


@pytest.mark.parametrize(
    ("changes", "autoscaling", "settles"),
    [
        ({"scale": Scale(1, 1)}, {}, False),
        ({"scale": Scale(3, 3)}, {}, True),
        ({"scale": None}, {}, False),
        ({"scale": None, "intact": False}, {}, True),
        ({"scale": Scale(1, 1)}, {"autoscaling": {"class": "hpa", "maxReplicas": 4}}, False),
        (
            {"scale": Scale(1, 2, "hpa", 80)},
            {"autoscaling": {"class": "hpa", "maxReplicas": 4}},
            True,
        ),
    ],
    ids=["as wanted", "too many", "cannot be scaled", "taken away", "another class", "bounds"],
)
def test_what_needs_no_new_process_is_settled_while_it_serves(changes, autoscaling, settles):
    colours = {BLUE: replace(ready(OLD), **changes)}
    served = a_served_model(**autoscaling)
    action = next_action(seen(a_rollout(Phase.ABORTED), colours, served=served))

    assert (action == Settle(BLUE)) is settles


@pytest.mark.parametrize(
    ("phase", "taken", "expected"),
    [
        (Phase.SUCCEEDED, GREEN, Load(GREEN, NEW)),
        (Phase.SUCCEEDED, BLUE, Load(BLUE, OLD)),
        (Phase.CANARY, BLUE, Load(BLUE, OLD)),
        (Phase.CANARY, GREEN, GoBack("the Candidate's predictor has gone: it is not there", None)),
        (Phase.BAKING, GREEN, GoBack("the Candidate's predictor has gone: it is not there", None)),
    ],
    ids=["production", "kept Baseline", "Baseline", "Candidate", "baking"],
)
def test_a_predictor_that_somebody_took_away_is_loaded_again_where_it_was(phase, taken, expected):
    rollout = a_rollout(phase)
    left = {colour: state for colour, state in BOTH.items() if colour is not taken}

    assert next_action(seen(rollout, left, held=held(INTENTS[phase], rollout))) == expected


@pytest.mark.parametrize("paused", ["wait", None])
def test_a_paused_rollout_never_goes_forward(paused):
    rollout = a_rollout(Phase.CANARY, paused=paused)
    look = seen(rollout, health=verdict("PASS"), notes=Notes(a_tally(rollout)))

    assert next_action(look) == (
        Advancing(Phase.CANARY, 1)
        if paused is None
        else Wait("Paused", "paused: wait; resume or abort it")
    )


@pytest.mark.parametrize("phase", [Phase.CANARY, Phase.BAKING, Phase.SUCCEEDED])
@pytest.mark.parametrize("seq", [20, 25], ids=["ledger as it was", "ledger moved on"])
def test_a_marker_wins_until_the_ledger_tells_the_same(phase, seq):
    rollout = a_rollout(phase)
    look = seen(rollout, intent=all_to(BLUE), marker=a_marker())
    look = replace(look, state=replace(look.state, seq=seq))

    assert next_action(look) == Record(a_marker())
    assert next_action(replace(look, fresh=False)).reason == "RegistryUnreachable"
    assert next_action(replace(look, in_effect=False)).route.intent == all_to(BLUE)


def test_a_recorded_marker_changes_nothing_any_more():
    rollout = a_rollout(Phase.ROLLED_BACK)
    look = seen(rollout, ONLY_OLD, marker=a_marker(ledger_seq=19))

    assert next_action(look).reason == "Done"


def test_a_marker_of_an_earlier_rollout_is_dropped_with_the_next_write():
    look = seen(a_rollout(Phase.PENDING), marker=a_marker(ledger_seq=9, rollout="r3"))
    assert next_action(look).route.marker is None


def test_a_ledger_that_was_set_back_does_not_raise_a_candidate():
    """Restored from a copy, it knows neither the rollout of the Marker nor its own end."""
    look = seen(a_rollout(Phase.CANARY, id="r3"), intent=all_to(BLUE), marker=a_marker(99))
    assert next_action(look) == Record(a_marker(99))


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.ABORTED])
def test_what_was_given_up_is_ended_once_nothing_goes_there(phase):
    assert next_action(seen(a_rollout(phase))) == Unload(GREEN)


def test_what_the_route_has_just_left_still_answers_its_last_requests():
    patience = replace(PATIENCE, leaving=1)
    look = seen(a_rollout(Phase.ROLLED_BACK), patience=patience, now=START + 0.5)

    assert next_action(look).reason == "Done"
    assert next_action(replace(look, now=START + 1)) == Unload(GREEN)


def test_what_the_route_has_just_left_is_not_replaced_either():
    patience = replace(PATIENCE, leaving=1)
    colours = {BLUE: ready(OLD), GREEN: ready(OLDER, 8500)}
    look = seen(a_rollout(Phase.PENDING), colours, patience=patience, now=START + 0.5)

    assert next_action(look).reason == "PredictorNotReady"
    assert next_action(replace(look, now=START + 1)) == Load(GREEN, NEW)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("PASS", "ShadowOnly"), ("INCONCLUSIVE", "GateInconclusive")],
)
def test_a_shadow_that_nobody_is_to_see_is_only_judged(outcome, expected):
    rollout = a_rollout(Phase.SHADOWING)
    asked = Asked(rollout.id, rollout.phase, -1, START + 9, verdict(outcome))
    served = a_served_model(strategy="shadow")
    look = seen(rollout, served=served, paired_since=START, asked=asked)
    later = replace(look, now=START + 5000)

    assert next_action(look).reason == expected
    judged = Advancing(Phase.CANARY, 0, judge_only=True)
    assert next_action(replace(look, asked=None)) == judged
    assert isinstance(next_action(later), Advancing if outcome == "PASS" else Pausing)
    assert next_action(replace(later, served=a_served_model())) != judged


def test_blue_and_green_change_places_in_one_step():
    served = a_served_model(strategy="blueGreen")
    rollout = a_rollout(Phase.CANARY)
    opening = seen(rollout, served=served, intent=all_to(BLUE))
    judged = seen(rollout, served=served, intent=all_to(GREEN), health=verdict("PASS"))

    assert next_action(opening).route.intent == all_to(GREEN)
    assert next_action(judged) == Advancing(Phase.BAKING)
    assert isinstance(next_action(replace(judged, health=verdict("FAIL"))), GoBack)


def test_the_baseline_stays_loaded_after_success():
    assert next_action(seen(a_rollout(Phase.SUCCEEDED))).reason == "Done"


def test_an_earlier_production_is_loaded_where_nobody_is_sent():
    look = wishing(seen(a_rollout(Phase.SUCCEEDED)), until=START + 60)
    assert next_action(look) == Load(BLUE, OLDER)
    loading = {**BOTH, BLUE: unready(OLDER)}
    assert next_action(replace(look, colours=loading)).reason == "Done"


def test_a_wish_that_nobody_waits_for_any_more_is_taken_out_of_the_route():
    look = wishing(seen(a_rollout(Phase.SUCCEEDED)), until=START + 9)
    assert next_action(look).route.wish is None


def wishing(look, until):
    route = replace(look.held.route, wish=Wish(BLUE, OLDER, until))
    return replace(look, held=replace(look.held, route=route))


def test_a_version_older_than_the_baseline_is_served_from_where_it_was_loaded():
    rollout = a_rollout(Phase.ROLLED_BACK)
    colours = {GREEN: ready(OLDER, 8500)}
    look = seen(rollout, colours, all_to(GREEN))
    look = replace(look, state=a_state(rollout, production=OLDER))

    assert next_action(look).reason == "Done"
