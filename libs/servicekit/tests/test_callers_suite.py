"""One suite for all callers: a file's, a cluster's (tests/cluster has a real one), an issuer's."""

import hashlib
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest

from servicekit.callers import TokenFile
from servicekit.issuer_keys import IssuerKeys, KeySource
from servicekit.kubernetes_callers import KubernetesCallers
from servicekit.oidc_callers import EitherCallers, OidcCallers
from servicekit.token_claims import TokenRules

CallersSuite = sys.modules["servicekit_callers_suite"].CallersSuite
ROLES = ("gate", "trainer")


@dataclass(frozen=True)
class Scene:
    callers: Any
    run: Any
    prefix: str = ""
    stray_token: str = "stray"

    def token_of(self, role):
        return f"token-of-{role}"

    def name_of(self, role):
        return f"{self.prefix}{role}"


class TestTokenFile(CallersSuite):
    @pytest.fixture
    def scene(self, tmp_path, run):
        entries = [
            {
                "name": r,
                "roles": [r],
                "sha256": hashlib.sha256(f"token-of-{r}".encode()).hexdigest(),
            }
            for r in ROLES
        ]
        path = tmp_path / "callers.json"
        path.write_text(json.dumps({"callers": entries}))
        path.chmod(0o600)
        return Scene(TokenFile(path), run)


class TestKubernetesCallers(CallersSuite):
    @pytest.fixture
    def scene(self, api_server, api, run):
        prefix = "system:serviceaccount:models:"
        for role in ROLES:
            api_server.issue(f"token-of-{role}", prefix + role, "isogloss")
            api_server.grant(prefix + role, "models", role)
            api_server.grant(prefix + role, "elsewhere", "operator")
        api_server.issue("stray", f"{prefix}gate", "https://kubernetes.default.svc")
        callers = KubernetesCallers(api, "models", "isogloss", lambda: 0.0)
        return Scene(callers, run, prefix)


@dataclass(frozen=True)
class IssuerScene:
    callers: Any
    run: Any
    issuer: Any

    @property
    def stray_token(self):
        return self.issuer.token(aud="another service")

    def token_of(self, role):
        return self.issuer.token(sub=f"the {role}", groups=[f"{role}s"])

    def name_of(self, role):
        return f"oidc:the {role}"


class TestOidcCallers(CallersSuite):
    @pytest.fixture
    def callers(self, issuer):
        rules = TokenRules(issuer.url, "isogloss", ("RS256", "ES256"))
        keys = IssuerKeys(KeySource(issuer.url), rules.algorithms, time.monotonic)
        roles = {f"groups={role}s": [role] for role in ROLES}
        return OidcCallers(rules, keys, roles, time.time)

    @pytest.fixture
    def scene(self, issuer, callers, run):
        return IssuerScene(callers, run, issuer)


class TestEitherCallers(TestOidcCallers):
    @pytest.fixture
    def scene(self, issuer, callers, run, tmp_path):
        path = tmp_path / "callers.json"
        path.write_text('{"callers": []}')
        path.chmod(0o600)
        return IssuerScene(EitherCallers(issuer.url, callers, TokenFile(path)), run, issuer)
