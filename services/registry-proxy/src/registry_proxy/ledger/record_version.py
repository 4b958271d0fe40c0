"""Recording a version whose bytes were admitted, or the refusal of one whose were not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.ledger import Draft, EntryKind
from lifecycle.model_states import ModelState, VersionState
from lifecycle.transitions import require_version
from registry_proxy.ledger.contents import refuse_changed_content
from registry_proxy.ledger.ports import Ledger, Page
from registry_proxy.ledger.settle import Asked, Decision, denial, settle


@dataclass(frozen=True)
class Recorded:
    """A version as the ledger has it; `new` unless the digest was registered before."""

    version: VersionState
    seq: int
    new: bool


class VersionBook:
    """The ledger as the artifacts' side sees it: versions are recorded or refused."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record(
        self,
        model: str,
        actor: str,
        digest: str,
        lineage: Mapping[str, str],
        metadata: Mapping[str, Any],
    ) -> Recorded:
        """Give the digest its number in the model, or find the one that it has.

        Raises ContentChanged, which is recorded.
        """

        def decide(state: ModelState) -> Decision[bool]:
            if state.find(digest):
                return Decision(told=False)
            refuse_changed_content(map(self._ledger.state, self._ledger.models()), lineage)
            body = {
                "number": len(state.versions) + 1,
                "digest": digest,
                "lineage": lineage,
                "metadata": metadata,
            }
            return Decision(told=True, page=Page((Draft(EntryKind.REGISTERED, actor, body),)))

        asked = Asked(model, actor, {"register": digest})
        settled = settle(self._ledger, asked, decide)
        version = require_version(settled.state, digest)
        return Recorded(version, settled.state.seq, settled.told)

    def refuse(self, model: str, actor: str, run_id: str, reason: str) -> None:
        """Record that a run's artifact was refused."""
        asked = Asked(model, actor, {"register": {"run_id": run_id}})

        def decide(_state: ModelState) -> Decision[None]:
            return Decision(None, Page((denial(asked, reason),)))

        settle(self._ledger, asked, decide)

    def digests(self) -> set[str]:
        """Return the digests of all versions of all models, and of what they were made from."""
        states = (self._ledger.state(name) for name in self._ledger.models())
        versions = [version for state in states for version in state.versions]
        origins = (version.metadata.get("made_from", {}).values() for version in versions)
        return {version.digest for version in versions}.union(*origins)
