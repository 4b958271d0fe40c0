"""Which versions a cluster may run at all, as the ledger's states say: a pure function.

Those that a Gate let into STAGING, SHADOW or PRODUCTION, and every version that ever was in
PRODUCTION. The latter because users can be sent back to any of them by one command, which loads
the version before the ledger hears of it, and must not have to wait for this service then.
"""

from collections.abc import Iterable, Mapping

from lifecycle.model_states import ModelState
from lifecycle.stages import Stage

BASELINE = "BASELINE"
"""Not a Stage: was in PRODUCTION, and may be gone back to."""
_OFFERED = frozenset({Stage.STAGING, Stage.SHADOW, Stage.PRODUCTION})
MOST_BYTES = 900_000
"""A Kubernetes object has at most 1 MiB; about 6,000 versions fit."""


def admitted_versions(
    states: Iterable[ModelState], most_bytes: int = MOST_BYTES
) -> Mapping[str, str]:
    """Return `<model>.<64 hex digits>` to STAGING, SHADOW, PRODUCTION or BASELINE.

    Where that is more than `most_bytes`, every model keeps fewer of its earlier PRODUCTIONs, the
    newest, until it fits.
    """
    known = list(states)
    kept = max((len(state.productions) for state in known), default=0)
    wanted = _of_all(known, kept)
    while kept and sum(len(key) + len(value) for key, value in wanted.items()) > most_bytes:
        kept //= 2
        wanted = _of_all(known, kept)
    return wanted


def _of_all(states: Iterable[ModelState], kept: int) -> dict[str, str]:
    return {
        f"{state.name}.{digest.removeprefix('sha256:')}": standing
        for state in states
        for digest, standing in _of_one(state, kept).items()
    }


def _of_one(state: ModelState, kept: int) -> dict[str, str]:
    earlier = list(dict.fromkeys(reversed(state.productions)))[:kept]
    offered = {v.digest: str(v.stage) for v in state.versions if v.stage in _OFFERED}
    return dict.fromkeys(earlier, BASELINE) | offered
