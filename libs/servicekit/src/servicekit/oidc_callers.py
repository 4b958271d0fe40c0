"""People and workloads whose tokens an OpenID Connect issuer signs; a cluster is such an issuer.

A token is checked with the issuer's public keys, so that nobody has to be asked for each, and
counts until it expires. Which roles its claims are worth is configured: `groups=leads` to
`operator`.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import structlog

from servicekit.callers import Caller, Callers
from servicekit.issuer_keys import IssuerKeys
from servicekit.token_claims import (
    TokenRefused,
    TokenRules,
    claimed_issuer,
    read_header,
    verified_claims,
)

_log = structlog.get_logger(__name__)

NAME_PREFIX = "oidc:"
"""So that no issuer can name somebody whom a file or the cluster names."""


class OidcCallers:
    """Implements `servicekit.callers.Callers`; `now` is seconds since the epoch.

    `roles` maps `CLAIM=VALUE` to the roles of whoever's token has it; a claim may lie deeper
    (`realm_access.roles=lead`) and hold one value or a list. Who has any role may also read.
    """

    def __init__(
        self,
        rules: TokenRules,
        keys: IssuerKeys,
        roles: Mapping[str, Collection[str]],
        now: Callable[[], float],
    ) -> None:
        self._rules = rules
        self._keys = keys
        self._roles = roles
        self._now = now

    async def find(self, token: str, roles: Collection[str]) -> Caller | None:  # noqa: ARG002 - a token tells all of its roles
        """Return whose token it is, None where it proves nothing; raises CallersUnavailable."""
        try:
            claims = await self._claims(token)
        except TokenRefused as refused:
            _log.info("token refused", reason=str(refused))
            return None
        return Caller(NAME_PREFIX + claims["sub"], roles_of(claims, self._roles))

    async def _claims(self, token: str) -> Mapping[str, Any]:
        header = read_header(token, self._rules)
        key = await self._keys.find(header.key_id)
        if key is None:
            raise TokenRefused(f"the issuer has no key {header.key_id[:100]!r}")
        return verified_claims(token, key, self._rules, self._now())


class EitherCallers:
    """Those of an issuer, and others: who a token says it is from decides who is asked."""

    def __init__(self, issuer: str, of_issuer: Callers, others: Callers) -> None:
        self._issuer = issuer
        self._of_issuer = of_issuer
        self._others = others

    async def find(self, token: str, roles: Collection[str]) -> Caller | None:
        """Return whose token it is; raises CallersUnavailable."""
        ours = claimed_issuer(token) == self._issuer
        return await (self._of_issuer if ours else self._others).find(token, roles)


def roles_of(claims: Mapping[str, Any], granted: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return the roles that claims are worth."""
    found: set[str] = set()
    for condition, roles in granted.items():
        claim, _, value = condition.partition("=")
        if value in _values(claims, claim):
            found.update(roles)
    return frozenset(found | {"viewer"} if found else ())


def _values(claims: Mapping[str, Any], claim: str) -> list[Any]:
    held: Any = claims.get(claim)
    if held is None:
        held = claims
        for part in claim.split("."):
            held = held.get(part) if isinstance(held, dict) else None
    return held if isinstance(held, list) else [held]
