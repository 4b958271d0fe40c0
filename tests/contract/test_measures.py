"""What a policy can limit is what can be computed from counts, in every service that judges."""

from lifecycle.measures import MEASURES as LIMITED
from stats.measures import MEASURES as COMPUTED


def test_every_measure_of_the_policy_can_be_computed_and_the_other_way_round():
    assert set().union(*LIMITED.values()) == set(COMPUTED)
