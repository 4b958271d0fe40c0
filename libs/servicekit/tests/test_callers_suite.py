"""One suite for callers of a file and callers of a cluster; tests/cluster runs it on a real one."""

import hashlib
import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from servicekit.callers import TokenFile
from servicekit.kubernetes_callers import KubernetesCallers

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
