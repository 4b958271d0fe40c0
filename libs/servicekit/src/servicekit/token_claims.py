"""What a signed token (JWT, RFC 7519) claims, once everything about it holds: a pure function.

The allow-list of algorithms has asymmetric ones only, the key is found by its id and must be of the
algorithm's own kind: no token can choose how it is checked (RFC 8725). Where keys come from is in
`issuer_keys`, what a claim is worth in `oidc_callers`.
"""

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

Key = RSAKey | ECKey | OKPKey

KEY_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
"""Algorithms that may be allowed at all, and the kind of key that each needs."""
LEEWAY_SECONDS = 30.0
"""Clocks of two machines rarely differ by more."""
_LONGEST = 16_384
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""Others (logout tokens, proofs of possession) are signed by the same keys, to say other things."""


class TokenRefused(Exception):
    """The token proves nothing; the text says why, for the log and not for its bearer."""


@dataclass(frozen=True)
class TokenRules:
    """Who must have made a token, for whom, and signed how."""

    issuer: str
    audience: str
    algorithms: Collection[str]


@dataclass(frozen=True)
class TokenHeader:
    """How a token says that it was signed."""

    key_id: str
    algorithm: str


def read_header(token: str, rules: TokenRules) -> TokenHeader:
    """Return an unverified token's key id and algorithm, both fit to be used; TokenRefused."""
    header = _read_part(token, 0)
    if header.get("alg") not in rules.algorithms:
        raise TokenRefused(f"algorithm {header.get('alg')!r} is not allowed")
    if not isinstance(header.get("kid"), str):
        raise TokenRefused("it names no key")
    if str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise TokenRefused(f"it is of type {header['typ']!r}, not an access token")
    if "crit" in header:
        raise TokenRefused("it demands extensions")
    return TokenHeader(header["kid"], header["alg"])


def claimed_issuer(token: str) -> str | None:
    """Return who an unverified token says it is from, None where it is no such token."""
    try:
        issuer = _read_part(token, 1).get("iss")
    except TokenRefused:
        return None
    return issuer if isinstance(issuer, str) else None


def verified_claims(token: str, key: Key, rules: TokenRules, now: float) -> Mapping[str, Any]:
    """Return the claims of a token that `key` signed and that counts now; raises TokenRefused."""
    header = read_header(token, rules)
    if key.key_type != KEY_KINDS[header.algorithm]:
        raise TokenRefused(f"key {header.key_id} is no key for {header.algorithm}")
    try:
        claims = jwt.decode(token, key, algorithms=[header.algorithm]).claims
    except (JoseError, ValueError, RecursionError) as error:
        raise TokenRefused(f"its signature does not hold: {error!r}") from error
    _refuse_others(claims, rules)
    _refuse_untimely(claims, now)
    return claims


def _refuse_others(claims: Mapping[str, Any], rules: TokenRules) -> None:
    if claims.get("iss") != rules.issuer:
        raise TokenRefused(f"it is from {claims.get('iss')!r}, not from {rules.issuer}")
    audience = claims.get("aud")
    meant = audience if isinstance(audience, list) else [audience]
    if rules.audience not in meant:
        raise TokenRefused(f"it is made for {meant}, not for {rules.audience}")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise TokenRefused("it names nobody")


def _refuse_untimely(claims: Mapping[str, Any], now: float) -> None:
    if now >= _seconds(claims, "exp") + LEEWAY_SECONDS:
        raise TokenRefused("it has expired")
    for claim in ("nbf", "iat"):
        if claim in claims and now < _seconds(claims, claim) - LEEWAY_SECONDS:
            raise TokenRefused(f"its {claim} is in the future")


def _seconds(claims: Mapping[str, Any], claim: str) -> float:
    value = claims.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise TokenRefused(f"its {claim} is no time")
    return float(value)


def _read_part(token: str, index: int) -> Mapping[str, Any]:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST or not token.isascii():
        raise TokenRefused("it is no signed token")
    try:
        padded = parts[index] + "=" * (-len(parts[index]) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise TokenRefused(f"its part {index} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise TokenRefused(f"its part {index} is no object")
    return content
