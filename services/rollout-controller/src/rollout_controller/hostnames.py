"""Which ServedModel answers under which hostname: one each, or the gateway refuses them all."""

import re
from collections.abc import Iterable, Mapping

from lifecycle.served_models import ServedModel

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"\*|(\*\.)?{_LABEL}(\.{_LABEL})*(:\d{{1,5}})?")


def refuse_hostnames(models: Mapping[str, ServedModel], held: Iterable[str]) -> dict[str, str]:
    """Return the models that cannot have their hostnames, each with the reason.

    Who has a route already (`held`) keeps its hostnames; among the others the name decides.
    """
    served = set(held)
    taken: dict[str, str] = {}
    refused: dict[str, str] = {}
    for name in sorted(models, key=lambda each: (each not in served, each)):
        reason = _reason(models[name], taken)
        if reason:
            refused[name] = reason
        else:
            taken.update(dict.fromkeys(models[name].hostnames, name))
    return refused


def _reason(model: ServedModel, taken: Mapping[str, str]) -> str | None:
    for hostname in model.hostnames:
        if not _HOSTNAME.fullmatch(hostname):
            return (
                f"spec.hostnames of {model.name} has {hostname!r}; it must be a lower-case host "
                "name, *.suffix or *"
            )
        if hostname in taken:
            return (
                f"spec.hostnames of {model.name} has {hostname!r}, which {taken[hostname]} has; "
                "give each model its own"
            )
    if len(set(model.hostnames)) != len(model.hostnames) or not model.hostnames:
        return f"spec.hostnames of {model.name} must name each host once, and at least one"
    return None
