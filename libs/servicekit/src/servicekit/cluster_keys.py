"""Keys of a release in a cluster, made there once: who signs Evidence, whom the registry trusts.

`python -m servicekit.cluster_keys --namespace NS --instance F` makes each Secret that is missing
and never changes one that exists: others hold it already, and what a lost key signed could never be
renewed. A private key leaves this process only as its Secret. Public keys are added to the trust
ConfigMap, and whatever else people put there (a retired key, a further signer) stays. May run
twice at once: of two that make the same object, one finds the other's.
"""

import argparse
import asyncio
import base64
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from servicekit.callers import FileRefused
from servicekit.kubernetes_api import (
    KubernetesApi,
    KubernetesFault,
    Object,
    ObjectConflict,
    ObjectMissing,
    core,
)
from servicekit.signing import new_key, read_signer

SIGNERS = ("gate", "drift-monitor", "rollout-controller", "registry-proxy")
FINGERPRINT = "fingerprint"
DATABASE = "postgresql"
"""The release's own database, where it has one: its Secret holds the password."""
_KEY, _TRUST = "key.pem", "trust.json"
_KEYS = {FINGERPRINT: "fingerprint.key", DATABASE: "password"}
"""What a role's Secret holds it under, where that is no signing key."""
_LABELS = {
    "app.kubernetes.io/managed-by": "isogloss-keys",
    "app.kubernetes.io/part-of": "isogloss",
}
_TRIES = 10
"""Each lost try means that somebody else wrote the ConfigMap: so many in a row mean a fault."""

Tell = Callable[[str], None]


class KeysRefused(Exception):
    """A Secret that cannot be used as it is; the text says what to do."""


@dataclass(frozen=True)
class Release:
    """Where the keys belong; `existing` names Secrets that people bring, by role."""

    namespace: str
    instance: str
    existing: Mapping[str, str]
    database: bool = False
    """Whether it has a database of its own."""

    def secret(self, role: str) -> str:
        """Return the name of a role's Secret."""
        return self.existing.get(role, f"{self.instance}-{role}-key")


async def keep_keys(api: KubernetesApi, release: Release, tell: Tell) -> None:
    """Make what is missing. Raises KeysRefused, KubernetesFault."""
    public = {}
    for role in SIGNERS:
        pem = await _keep_secret(api, release, role, tell)
        public[role] = _public_key(pem, f"Secret {release.namespace}/{release.secret(role)}")
    await _keep_secret(api, release, FINGERPRINT, tell)
    if release.database:
        await _keep_secret(api, release, DATABASE, tell)
    await _keep_trust(api, release, public, tell)


def main() -> None:
    """Make the keys that the command line asks for; exits with status 1 and a sentence."""
    release = _release()
    try:
        asyncio.run(_run(release))
    except (KeysRefused, KubernetesFault) as refused:
        sys.exit(f"The keys of {release.instance} are not complete: {refused}")


async def _run(release: Release) -> None:
    api = await KubernetesApi.open("isogloss-keys")
    try:
        await keep_keys(api, release, lambda said: print(said, flush=True))  # noqa: T201 - its output
    finally:
        await api.close()


def _release() -> Release:
    parser = argparse.ArgumentParser(prog="python -m servicekit.cluster_keys")
    parser.add_argument("--namespace", required=True, help="namespace of the release")
    parser.add_argument("--instance", required=True, help="what its objects' names begin with")
    parser.add_argument(
        "--existing",
        action="append",
        default=[],
        type=_role_and_secret,
        metavar="ROLE=SECRET",
        help=f"use this Secret and make none; roles: {', '.join((*SIGNERS, *_KEYS))}",
    )
    parser.add_argument(
        "--database", action="store_true", help="also keep the password of its own PostgreSQL"
    )
    given = parser.parse_args()
    return Release(given.namespace, given.instance, dict(given.existing), given.database)


def _role_and_secret(text: str) -> tuple[str, str]:
    role, _, secret = text.partition("=")
    if role not in (*SIGNERS, *_KEYS) or not secret:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROLE=SECRET")
    return role, secret


async def _keep_secret(api: KubernetesApi, release: Release, role: str, tell: Tell) -> bytes:
    """Return what the role's Secret holds, once there is one."""
    name, key = release.secret(role), _KEYS.get(role, _KEY)
    path = core(release.namespace, "secrets", name)
    try:
        held, told = await api.get(path), "was there"
    except ObjectMissing:
        if role in release.existing:
            raise KeysRefused(
                f"Secret {release.namespace}/{name} was named for {role} but is missing: make it, "
                f"with the key {key!r}"
            ) from None
        held, told = await _make_secret(api, release.namespace, name, key)
    content = base64.b64decode(held.get("data", {}).get(key, ""))
    if not content:
        raise KeysRefused(f"Secret {release.namespace}/{name} has nothing under the key {key!r}")
    tell(f"Secret {release.namespace}/{name}: {told}")
    return content


async def _make_secret(
    api: KubernetesApi, namespace: str, name: str, key: str
) -> tuple[Object, str]:
    content = new_key() if key == _KEY else secrets.token_hex(32).encode()
    secret = {
        **_kind("Secret", name),
        "type": "Opaque",
        "data": {key: base64.b64encode(content).decode()},
    }
    try:
        return await api.create(core(namespace, "secrets"), secret), "made"
    except ObjectConflict:
        return await api.get(core(namespace, "secrets", name)), "was made by somebody else just now"


def _public_key(pem: bytes, place: str) -> str:
    try:
        return read_signer(pem, place).public_text
    except FileRefused as refused:
        raise KeysRefused(str(refused)) from refused


async def _keep_trust(
    api: KubernetesApi, release: Release, public: Mapping[str, str], tell: Tell
) -> None:
    name = f"{release.instance}-trust"
    for _ in range(_TRIES):
        try:
            told = await _write_trust(api, release.namespace, name, public)
        except ObjectConflict:
            continue
        tell(f"ConfigMap {release.namespace}/{name}: {told}")
        return
    raise KeysRefused(f"ConfigMap {release.namespace}/{name} is written without pause; try again")


async def _write_trust(
    api: KubernetesApi, namespace: str, name: str, public: Mapping[str, str]
) -> str:
    """Add the public keys; raises ObjectConflict where somebody else wrote meanwhile."""
    ours = [{"role": role, "public": text} for role, text in public.items()]
    try:
        held = await api.get(core(namespace, "configmaps", name))
    except ObjectMissing:
        made = {**_kind("ConfigMap", name), "data": {_TRUST: _document(ours)}}
        await api.create(core(namespace, "configmaps"), made)
        return "made"
    found = _trusted(held.get("data", {}).get(_TRUST, ""))
    missing = [key for key in ours if key not in (found or [])]
    if found is not None and not missing:
        return f"was complete, {len(found) - len(ours)} further keys stay"
    patch = {
        "metadata": {"resourceVersion": held["metadata"]["resourceVersion"], "labels": _LABELS},
        "data": {_TRUST: _document([*(found or []), *missing])},
    }
    await api.merge(core(namespace, "configmaps", name), patch)
    return f"{len(missing)} keys added" if found is not None else "was not readable, written anew"


def _trusted(text: str) -> list[dict[str, str]] | None:
    """Return the keys of a trust file, None where it is not one."""
    try:
        keys = json.loads(text)["keys"]
        return [{"role": str(key["role"]), "public": str(key["public"])} for key in keys]
    except (ValueError, KeyError, TypeError):
        return None


def _document(keys: list[dict[str, str]]) -> str:
    return json.dumps({"keys": keys}, indent=2) + "\n"


def _kind(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": _LABELS}}


if __name__ == "__main__":
    main()
