"""The Kubernetes API as JSON objects in and out; the one file that knows its client library.

Adapters speak of objects by path. Nothing is tried again here: each caller knows whether a second
try is right. Inside a pod the ServiceAccount's token is read anew every minute.
"""

import json
import ssl
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

Object = dict[str, Any]
"""One Kubernetes object, as JSON."""

_TIMEOUT_SECONDS = 5.0
_NOT_FOUND, _CONFLICT, _TOO_MANY = 404, 409, 429


class KubernetesFault(Exception):
    """What was asked of the API server was not done; the text says why."""


class ObjectMissing(KubernetesFault):
    """There is no such object, or its kind is not installed."""


class ObjectConflict(KubernetesFault):
    """It exists already, or was changed since the `resourceVersion` that was named."""


class ApiRefused(KubernetesFault):
    """The API server said no, in its own words: rights, quota, a policy, an object it rejects."""


class ApiUnreachable(KubernetesFault):
    """The API server, or an admission webhook it must ask, did not answer."""


def core(namespace: str, plural: str, name: str = "") -> str:
    """Return the path of an object, or of all objects, of the core group."""
    return f"/api/v1/namespaces/{quote(namespace)}/{plural}" + (f"/{quote(name)}" if name else "")


def grouped(group_version: str, namespace: str, plural: str, name: str = "") -> str:
    """Return the path of an object, or of all objects, of a group; namespace "": of the cluster."""
    within = f"/namespaces/{quote(namespace)}" if namespace else ""
    return f"/apis/{group_version}{within}/{plural}" + (f"/{quote(name)}" if name else "")


class KubernetesApi:
    """One connection pool to one API server; open it with `open` and close it."""

    def __init__(self, client: ApiClient, field_manager: str, timeout_seconds: float) -> None:
        self._client = client
        self._field_manager = field_manager
        self._timeout = timeout_seconds

    @classmethod
    async def open(cls, field_manager: str, timeout_seconds: float = _TIMEOUT_SECONDS) -> Self:
        """Connect as this pod's ServiceAccount, outside of a pod as KUBECONFIG says.

        `field_manager` is the owner of what `apply` writes. Raises ApiUnreachable where neither
        is there; the API server itself is not asked yet.
        """
        configuration = Configuration()
        try:
            load_incluster_config(configuration)
        except ConfigException:
            try:
                await load_kube_config(client_configuration=configuration)
            except (ConfigException, OSError) as error:
                raise ApiUnreachable(
                    f"neither a pod's ServiceAccount nor a KUBECONFIG can be used: {error}"
                ) from error
        configuration.retries = None
        return cls(ApiClient(configuration), field_manager, timeout_seconds)

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()

    async def get(self, path: str) -> Object:
        """Return one object; raises ObjectMissing."""
        return await self._call("GET", path)

    async def list(
        self, path: str, label_selector: str = "", field_selector: str = ""
    ) -> list[Object]:
        """Return all objects of a path, or those with the labels and fields (`a=b,c=d`)."""
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        query = {key: value for key, value in selectors.items() if value}
        items: list[Object] = (await self._call("GET", path, query=query))["items"]
        return items

    async def create(self, path: str, item: Mapping[str, Any]) -> Object:
        """Create one object under the path of its kind; ObjectConflict where it exists."""
        return await self._call("POST", path, body=item)

    async def apply(self, path: str, item: Mapping[str, Any], *, force: bool = True) -> Object:
        """Make an object have these fields (server-side apply), creating it where it is missing.

        With `force`, fields that others changed become ours again. `metadata.resourceVersion`, if
        it stands in the object, must still be so, else ObjectConflict.
        """
        query = {"fieldManager": self._field_manager, "force": json.dumps(force)}
        return await self._call("PATCH", path, item, "application/apply-patch+yaml", query)

    async def merge(self, path: str, patch: Mapping[str, Any]) -> Object:
        """Change an object by a JSON merge patch (RFC 7396: null removes)."""
        query = {"fieldManager": self._field_manager}
        return await self._call("PATCH", path, patch, "application/merge-patch+json", query)

    async def delete(self, path: str, uid: str | None = None) -> None:
        """Delete an object, its dependents in the background; one that is gone already is no fault.

        With `uid`, only that very object: ObjectConflict where another has its name.
        """
        options: Object = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self._call("DELETE", path, options)
        except ObjectMissing:
            return

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        try:
            request = await self._client.param_serialize(
                method=method,
                resource_path=path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(*request, _request_timeout=self._timeout)
            text = await answer.read()
        except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise ApiUnreachable(f"{method} {path} got no answer: {error!r}") from error
        if answer.status >= 400:
            raise _fault(method, path, answer.status, text)
        document: Object = json.loads(text)
        return document


def _fault(method: str, path: str, status: int, text: bytes) -> KubernetesFault:
    said = f"{method} {path}: {_message(text) or status}"
    if status == _NOT_FOUND:
        return ObjectMissing(said)
    if status == _CONFLICT:
        return ObjectConflict(said)
    if status >= 500 or status == _TOO_MANY:
        return ApiUnreachable(said)
    return ApiRefused(said)


def _message(text: bytes) -> str:
    try:
        document = json.loads(text)
        return str(document.get("message", ""))
    except (ValueError, AttributeError):
        return text[:200].decode(errors="replace")
