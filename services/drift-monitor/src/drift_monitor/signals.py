"""What a signal is called: a Detector, and beside it the same one against accepted traffic."""

from drift_monitor.detectors import DETECTORS

ACCEPTED = "accepted:"
"""How the names of signals begin that compare with accepted traffic."""
# A text that comes again and again needs no Reference.
AGAINST_ACCEPTED = tuple(name for name in DETECTORS if name != "repeated")


def detector_of(signal: str) -> str:
    """Return the Detector of a signal."""
    return signal.removeprefix(ACCEPTED)


def is_against_accepted(signal: str) -> bool:
    """Say whether a signal compares with accepted traffic."""
    return signal.startswith(ACCEPTED)


def signals_of_slice(*, accepted: bool) -> int:
    """Count the signals of a Slice, without accepted traffic to compare with or with it."""
    return len(DETECTORS) + (len(AGAINST_ACCEPTED) if accepted else 0)
