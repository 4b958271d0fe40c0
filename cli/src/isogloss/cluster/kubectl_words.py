"""What kubectl says when it does not do what it was asked, as the command's failures. Pure."""

import re

from isogloss.failures import Failure, Refused, Unreachable


class ObjectMissing(Refused):
    """There is no such object, or no such kind of object."""


_NOISE = re.compile(r"^[EWI]\d{4} |^Warning: |^Please review the fields above")
_MISSING = re.compile(
    r"\(NotFound\)|failed to create token: .* not found|"
    r"the server doesn't have a resource type|no matches for kind"
)
_UNREACHABLE = re.compile(
    r"Unable to connect to the server|The connection to the server|dial tcp|i/o timeout|"
    r"deadline exceeded|TLS handshake|connection reset|unexpected EOF|no configuration has been|"
    r"context was not found|^error: stat |etcdserver|"
    r"\((ServiceUnavailable|Timeout|InternalError|TooManyRequests)\)|"
    r"currently unable to handle the request"
)
_NO_POD = re.compile(
    r"unable to forward port|lost connection to pod|error forwarding port|"
    r"timed out waiting for the condition"
)
_RIGHT = re.compile(r'is forbidden: User "')
_UNKNOWN_CALLER = re.compile(r"\(Unauthorized\)|must be logged in|provide credentials")


def failure_of(said: str) -> Failure:
    """Return the failure that kubectl's words tell of."""
    words = _essence(said)
    told = f"kubectl: {words}"
    if _MISSING.search(words):
        return ObjectMissing(told)
    if _UNKNOWN_CALLER.search(words):
        return Refused(f"{told}. The kubeconfig's credentials are not accepted; renew them")
    if _NO_POD.search(words):
        return Unreachable(
            f"no pod takes requests ({told}); isogloss status shows which workload is not ready, "
            "and why"
        )
    if _UNREACHABLE.search(words):
        return Unreachable(
            f"{told}. KUBECONFIG, --kubeconfig and --context say which cluster is meant"
        )
    if _RIGHT.search(words):
        return Refused(f"{told}. kubectl auth can-i --list shows what you may do there")
    return Refused(told)


def _essence(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if not _NOISE.match(line)]
    kept = [line for line in lines if line]
    # An unreachable server is told five times before the sentence that matters.
    return "; ".join(kept[-3:]) or "it ended without a word"
