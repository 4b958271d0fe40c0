"""The parts that the ledger's use cases work with, built once in app.py."""

from collections.abc import Callable
from dataclasses import dataclass

from lifecycle.evidence import EvidenceRefused
from lifecycle.model_states import ModelState, VersionState
from lifecycle.policies import GatePolicy
from lifecycle.policy_files import read_policy
from registry_proxy.ledger.ports import Clock, Ledger, ReadYaml
from registry_proxy.ledger.trust import SignedEvidence, Trust
from servicekit.signing import Signer


class Unknown(Exception):
    """No such model, version or document here; the text names it and what there is."""


@dataclass(frozen=True)
class Registry:
    """The book, the keys that count now, the own key for waivers, the clock."""

    ledger: Ledger
    trusted: Callable[[], Trust]
    signer: Signer
    clock: Clock
    read_yaml: ReadYaml

    def model(self, name: str) -> ModelState:
        """Return a model's state; raises Unknown."""
        return known(self.ledger.state(name))

    def version(self, name: str, reference: str) -> VersionState:
        """Find a version by number, digest, or a Stage of one; raises Unknown."""
        state = self.model(name)
        version = state.find(reference)
        if version is None:
            numbers = ", ".join(str(v.number) for v in state.versions) or "none"
            raise Unknown(f"{name} has no version {reference}; it has {numbers}")
        return version

    def policy(self, state: ModelState) -> GatePolicy | None:
        """Return the model's gate policy, None while it has none."""
        content = self.ledger.document(state.policy) if state.policy else None
        return read_policy(self.read_yaml(content)) if content else None

    def evidence(self, digest: str) -> SignedEvidence:
        """Open stored Evidence again; raises EvidenceRefused when it does not open any more."""
        content = self.ledger.document(digest)
        if content is None:
            raise EvidenceRefused(f"evidence {digest} is not in the ledger")
        return self.trusted().open_stored(content)


def known(state: ModelState) -> ModelState:
    """Return the state of a model that has any entry; raises Unknown."""
    if not state.seq:
        raise Unknown(f"no model {state.name}; register a version of it or put its policy first")
    return state
