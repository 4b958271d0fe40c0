"""Tokens of an issuer: what is refused, keys that change, and what claims are worth."""

import base64
import hmac
import json
import time

import pytest
from joserfc.jwk import ECKey, RSAKey

from servicekit.callers import CallersUnavailable
from servicekit.issuer_keys import (
    FRESH_SECONDS,
    OLDEST_SECONDS,
    SELDOM_SECONDS,
    IssuerKeys,
    KeySource,
    KeysUnreadable,
    usable_keys,
)
from servicekit.oidc_callers import OidcCallers, roles_of
from servicekit.token_claims import TokenRules

ALGORITHMS = ("RS256", "ES256")
STRANGER = RSAKey.generate_key(2048)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def callers(issuer, clock):
    return callers_at(issuer, clock, time.time)


def callers_at(issuer, clock, now):
    rules = TokenRules(issuer.url, "isogloss", ALGORITHMS)
    keys = IssuerKeys(KeySource(issuer.url), ALGORITHMS, clock)
    return OidcCallers(rules, keys, {"groups=gate": ["gate"]}, now)


@pytest.fixture
def find(callers, run):
    return lambda token: run(callers.find(token, ("gate",)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_the_issuer_names_its_bearer(issuer, find, algorithm):
    caller = find(issuer.token(algorithm))

    assert caller.name == "oidc:ada"
    assert caller.roles == {"gate", "viewer"}


def test_one_of_several_audiences_may_be_ours(issuer, find):
    assert find(issuer.token(aud=["another", "isogloss"])) is not None


def _part(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def unsigned(issuer):
    return f"{_part({'alg': 'none', 'kid': 'rsa'})}.{_part(issuer.claims())}."


def signed_with_the_public_key(issuer):
    """RS256 taken for HS256: the public key as everybody's shared secret."""
    secret = issuer.keys["rsa"].as_pem(private=False)
    signed = f"{_part({'alg': 'HS256', 'kid': 'rsa'})}.{_part(issuer.claims())}"
    digest = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def changed_after_signing(issuer):
    header, _, signature = issuer.token().split(".")
    return f"{header}.{_part(issuer.claims(groups=['gate', 'operator']))}.{signature}"


def with_its_own_key(issuer):
    header = {"jwk": STRANGER.as_dict(private=False)}
    return issuer.token(key=STRANGER, header=header)


NOW = int(time.time())
FORGED = {
    "no signature": unsigned,
    "the public key as a secret": signed_with_the_public_key,
    "changed after signing": changed_after_signing,
    "its own key in it": with_its_own_key,
    "a stranger's key": lambda issuer: issuer.token(key=STRANGER),
    "another key's id": lambda issuer: issuer.token(header={"kid": "ec"}),
    "an unknown key's id": lambda issuer: issuer.token(header={"kid": "../../keys"}),
    "no key's id": lambda issuer: issuer.token(header={"kid": None}),
    "an algorithm not allowed": lambda issuer: issuer.token("PS256"),
    "a logout token": lambda issuer: issuer.token(header={"typ": "logout+jwt"}),
    "another issuer": lambda issuer: issuer.token(iss="https://elsewhere"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "another audience": lambda issuer: issuer.token(aud="https://kubernetes.default.svc"),
    "an audience that only begins like ours": lambda issuer: issuer.token(aud="isogloss-2"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "nobody": lambda issuer: issuer.token(sub=None),
    "expired": lambda issuer: issuer.token(exp=NOW - 60),
    "no expiry": lambda issuer: issuer.token(exp=None),
    "an expiry that is no time": lambda issuer: issuer.token(exp="never"),
    "not yet": lambda issuer: issuer.token(nbf=NOW + 3600),
    "issued in the future": lambda issuer: issuer.token(iat=NOW + 3600),
    "too long": lambda issuer: issuer.token(groups=["x" * 20_000]),
    "two parts": lambda issuer: issuer.token().rpartition(".")[0],
    "five parts": lambda issuer: f"{issuer.token()}.a.b",
    "a deep header": lambda _issuer: f"{_part('x')[:0]}{'W' * 4000}.e30.e30",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_token_that_proves_nothing_is_nobodys(issuer, find, forge):
    assert find(forge(issuer)) is None


def test_a_token_counts_no_longer_once_it_has_expired(issuer, clock, run):
    expiry = int(time.time()) + 60
    token = issuer.token(exp=expiry)
    before, after = (callers_at(issuer, clock, lambda t=t: t) for t in (expiry - 5, expiry + 31))

    assert run(before.find(token, ("gate",))) is not None
    assert run(after.find(token, ("gate",))) is None


def test_a_new_key_counts_at_once_and_a_dropped_one_soon_no_more(issuer, find, clock):
    old = issuer.token("ES256")
    assert find(old) is not None
    issuer.keys = {**issuer.keys, "new": STRANGER}
    issuer.shown = ["new"]
    clock.now += SELDOM_SECONDS + 1

    assert find(issuer.token(key=issuer.keys["new"], header={"kid": "new"})) is not None
    assert find(old) is None


def test_tokens_of_unknown_keys_do_not_make_the_issuer_busy(issuer, find):
    for number in range(50):
        assert find(issuer.token(header={"kid": f"made up {number}"})) is None

    assert issuer.reads == 1


def test_known_keys_count_while_the_issuer_is_away_but_not_for_ever(issuer, find, clock):
    token = issuer.token()
    assert find(token) is not None
    issuer.broken = True

    clock.now += FRESH_SECONDS + 1
    assert find(token) is not None
    clock.now += OLDEST_SECONDS
    with pytest.raises(CallersUnavailable):
        find(token)


def test_an_issuer_that_was_never_reached_cannot_tell_anybody(issuer, find):
    issuer.broken = True

    with pytest.raises(CallersUnavailable):
        find(issuer.token())


UNUSABLE = {
    "symmetric": {"kty": "oct", "kid": "x", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"},
    "short": {"kty": "RSA", "kid": "x", "n": "w" * 171, "e": "AQAB"},
    "for encryption": STRANGER.as_dict(private=False) | {"kid": "x", "use": "enc"},
    "of another algorithm": ECKey.generate_key("P-256").as_dict(private=False)
    | {"kid": "x", "alg": "ES512"},
    "nameless": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    "broken": {"kty": "RSA", "kid": "x", "n": "!", "e": "AQAB"},
    "no object": "x",
}


@pytest.mark.parametrize("key", UNUSABLE.values(), ids=UNUSABLE)
def test_a_key_that_cannot_prove_anything_is_left_out(key):
    assert usable_keys({"keys": [key]}, ALGORITHMS) == {}


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": [{}] * 101}])
def test_what_is_no_set_of_keys_is_unreadable(document):
    with pytest.raises(KeysUnreadable):
        usable_keys(document, ALGORITHMS)


def test_keys_may_lie_in_a_file(issuer, run, tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [issuer.public("rsa")]}))
    keys = IssuerKeys(KeySource("https://nowhere", str(path)), ALGORITHMS, Clock())

    assert run(keys.find("rsa")) is not None


@pytest.mark.parametrize("place", ["http://keys.example/set", "https://127.0.0.1:9/set"])
def test_keys_are_not_read_in_the_open_or_from_nowhere(place, run):
    with pytest.raises(KeysUnreadable):
        run(KeySource("https://issuer", place).read())


CLAIMS = {
    "sub": "system:serviceaccount:nlp:train",
    "groups": ["leads", "nlp"],
    "realm_access": {"roles": ["admin"]},
    "https://example.org/team": "nlp",
}


@pytest.mark.parametrize(
    "condition",
    [
        "groups=leads",
        "sub=system:serviceaccount:nlp:train",
        "realm_access.roles=admin",
        "https://example.org/team=nlp",
    ],
)
def test_a_claim_is_worth_what_is_configured(condition):
    assert roles_of(CLAIMS, {condition: ["operator"]}) == {"operator", "viewer"}


@pytest.mark.parametrize("condition", ["groups=lead", "sub=train", "team=nlp", "groups=", "=leads"])
def test_a_claim_that_is_not_named_is_worth_nothing(condition):
    assert roles_of(CLAIMS, {condition: ["operator"]}) == frozenset()
