"""Putting a model's gate policy: its digest is bound into every later Evidence."""

from lifecycle.digests import sha256_digest
from lifecycle.documents import DocumentRefused
from lifecycle.ledger import Draft, EntryKind
from lifecycle.model_states import ModelState
from lifecycle.policies import GatePolicy
from lifecycle.policy_files import read_policy
from registry_proxy.ledger.ports import Page
from registry_proxy.ledger.registry import Registry
from registry_proxy.ledger.settle import Asked, Decision, Settled, settle


def set_policy(registry: Registry, asked: Asked, content: bytes) -> Settled[str]:
    """Make `content` the model's policy and return its digest; nothing new is written when it is
    the policy already. Raises DocumentRefused when it is no policy.
    """
    policy = _read(registry, content)
    digest = sha256_digest(content)

    def decide(state: ModelState) -> Decision[str]:
        if state.policy == digest:
            return Decision(digest)
        body = {"digest": digest, "name": policy.name, "version": policy.version}
        return Decision(digest, Page((Draft(EntryKind.POLICY, asked.actor, body),), (content,)))

    return settle(registry.ledger, asked, decide)


def _read(registry: Registry, content: bytes) -> GatePolicy:
    try:
        return read_policy(registry.read_yaml(content))
    except (ValueError, RecursionError) as error:
        # Python will not even print some numbers that YAML can hold.
        raise DocumentRefused(f"policy holds a value that cannot be read: {error}") from error
