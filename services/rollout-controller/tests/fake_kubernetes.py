"""The Kubernetes API in memory, as far as our adapters lean on it; the twin of `KubernetesApi`.

It keeps what makes them right or wrong: resource versions as preconditions, generations that count
changes of the spec only, the status beside the object, server-side apply that takes away what its
manager no longer says, and deletes bound to one uid. Nothing runs behind it: a test plays the
controllers.
"""

import copy
import functools
import itertools
import uuid

from servicekit.kubernetes_api import (
    ApiRefused,
    ApiUnreachable,
    ObjectConflict,
    ObjectMissing,
)


class ApiServer:
    """The objects, by path, and who applied what to them; shared by all that are connected."""

    def __init__(self):
        self.objects = {}
        self.applied = {}
        self.versions = itertools.count(1)
        self.down = False
        self.refused = {}
        self.before_write = None
        self.writes = []

    def connect(self, field_manager="isogloss-rollout-controller"):
        return KubernetesApi(self, field_manager)


class KubernetesApi:
    """One client's calls, named like the real one's."""

    def __init__(self, server=None, field_manager="isogloss-rollout-controller"):
        self.server = server or ApiServer()
        self._manager = field_manager

    async def close(self):
        pass

    async def get(self, path):
        self._answer(path)
        return copy.deepcopy(self._held(path))

    async def list(self, path, label_selector="", field_selector=""):
        self._answer(path)
        wanted, fields = _pairs(label_selector), _pairs(field_selector)
        return [
            copy.deepcopy(item)
            for where, item in sorted(self.server.objects.items())
            if where.rpartition("/")[0] == path
            and wanted.items() <= item["metadata"].get("labels", {}).items()
            and all(_field(item, name) == value for name, value in fields.items())
        ]

    async def create(self, path, item):
        await self._writes(f"{path}/{item['metadata']['name']}")
        where = f"{path}/{item['metadata']['name']}"
        if where in self.server.objects:
            raise ObjectConflict(f"{where} already exists")
        return self._store(where, None, copy.deepcopy(dict(item)))

    async def apply(self, path, item, *, force=True):  # noqa: ARG002 - the real one's
        await self._writes(path)
        where, part = _parts(path)
        held = self.server.objects.get(where)
        if held is None and part:
            raise ObjectMissing(f"{path} not found")
        self._precondition(path, held, item)
        said = {part: item.get(part, {})} if part else _without(item, "status")
        key = (path, self._manager)
        before = self.server.applied.get(key, {})
        self.server.applied[key] = copy.deepcopy(said)
        return self._store(where, held, _merged(_taken_away(held or {}, before, said), said))

    async def merge(self, path, patch):
        await self._writes(path)
        where, part = _parts(path)
        held = self._held(where)
        self._precondition(path, held, patch)
        said = {part: patch.get(part, {})} if part else _without(patch, "status")
        return self._store(where, held, _patched(held, said))

    async def delete(self, path, uid=None):
        await self._writes(path)
        held = self.server.objects.get(path)
        if held is None:
            return
        if uid and uid != held["metadata"]["uid"]:
            raise ObjectConflict(f"{path} has another uid")
        del self.server.objects[path]
        for key in [key for key in self.server.applied if key[0].startswith(path)]:
            del self.server.applied[key]

    def _answer(self, path):
        if self.server.down:
            raise ApiUnreachable(f"{path} got no answer")
        for prefix, text in self.server.refused.items():
            if path.startswith(prefix):
                raise ApiRefused(text)

    async def _writes(self, path):
        if self.server.before_write:
            hook, self.server.before_write = self.server.before_write, None
            await hook()
        self._answer(path)
        self.server.writes.append(path)

    def _held(self, path):
        if path not in self.server.objects:
            raise ObjectMissing(f"{path} not found")
        return self.server.objects[path]

    def _precondition(self, path, held, item):
        wanted = item.get("metadata", {}).get("resourceVersion")
        if wanted and (held is None or held["metadata"]["resourceVersion"] != wanted):
            raise ObjectConflict(f"{path} has been modified")

    def _store(self, path, held, item):
        metadata = item.setdefault("metadata", {})
        before = held["metadata"] if held else {}
        metadata["name"] = before.get("name", path.rpartition("/")[2])
        metadata["uid"] = before.get("uid", str(uuid.uuid4()))
        metadata["generation"] = before.get("generation", 1)
        metadata["resourceVersion"] = before.get("resourceVersion", "0")
        if held == item:
            return copy.deepcopy(item)
        if held and _spec(held) != _spec(item):
            metadata["generation"] += 1
        metadata["resourceVersion"] = str(next(self.server.versions))
        self.server.objects[path] = item
        return copy.deepcopy(item)


def _pairs(selector):
    return dict(pair.split("=") for pair in selector.split(",") if pair)


def _field(item, name):
    return functools.reduce(lambda part, key: part.get(key, {}), name.split("."), item)


def _parts(path):
    return (path.removesuffix("/status"), "status") if path.endswith("/status") else (path, "")


def _spec(item):
    return {key: value for key, value in item.items() if key not in ("metadata", "status")}


def _without(item, key):
    return {name: value for name, value in item.items() if name != key}


def _merged(held, said):
    """Everything said, over what is held; lists are replaced whole."""
    if not isinstance(held, dict) or not isinstance(said, dict):
        return copy.deepcopy(said)
    return {**held, **{key: _merged(held.get(key, {}), value) for key, value in said.items()}}


def _taken_away(held, before, said):
    """What is held, without what its manager said before and says no longer."""
    if not all(isinstance(each, dict) for each in (held, before, said)):
        return held
    gone = before.keys() - said.keys()
    return {
        key: _taken_away(value, before.get(key, {}), said.get(key, {}))
        for key, value in held.items()
        if key not in gone
    }


def _patched(held, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(held) if isinstance(held, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _patched(result.get(key), value)
    return result
