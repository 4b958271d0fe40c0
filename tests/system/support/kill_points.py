"""A registry-proxy, killed at each boundary between two of its writes, and started again.

    LD_PRELOAD=write_boundaries.so python kill_points.py FOLDER sqlite|postgresql [STRIDE]

For `register`, `promote` and `rollback`: a process that is about to do its N-th thing to disk or
database is killed instead, for N = 1, 1 + STRIDE, ... until it lives through. After each kill the
next start must find a sound ledger that has all of the request or nothing, whole artifacts and no
remains, and asking again must end where an undisturbed request would have ended, once. Prints how
many boundaries there were.
"""

import ctypes
import importlib.util
import json
import os
import shutil
import signal
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path

from anyio.from_thread import start_blocking_portal
from pydantic import SecretStr

from postgresql_server import PASSWORD, postgresql_server

TESTS = Path(__file__).resolve().parents[3] / "services/registry-proxy/tests"
SHIM = ctypes.CDLL(os.environ.pop("LD_PRELOAD"))  # what we start is not to be killed


def load_conftest():
    spec = importlib.util.spec_from_file_location("registry_proxy_world", TESTS / "conftest.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Register:
    name = "register"
    before, after = [], ["REGISTERED"]
    kind, entries = "registered", 1

    def prepare(self, world):
        world.put_policy()
        files = fakes.an_artifact("r1", weights=b"w" * 40_000)
        world.runs.add(fakes.a_run("r1"), "model", files)

    def ask(self, world):
        body = {"run_id": "r1", "artifact_path": "model"}
        return world.post("/versions", body, "trainer").status_code in (200, 201)


class Promote:
    name = "promote"
    before, after = ["REGISTERED"], ["STAGING"]
    kind, entries = "transition", 1

    def prepare(self, world):
        world.put_policy()
        digest = world.register()
        world.submit("offline", digest, [fakes.without_baseline(fakes.cells(2800, 200))])
        world.submit("latency", digest, [fakes.latencies()])

    def ask(self, world):
        if world.stages() == self.after:
            return True
        return world.transition(world.version(1)["digest"]).status_code == 200


class Rollback:
    name = "rollback"
    before, after = ["ARCHIVED", "PRODUCTION"], ["PRODUCTION", "ARCHIVED"]
    kind, entries = "rollback", 1

    def prepare(self, world):
        world.put_policy()
        world.released("r1")
        world.in_production("r2")

    def ask(self, world):
        end = {"phase": "ROLLED_BACK", "reason": "a drill"}
        return world.rollout("end", end).status_code == 200


class Place:
    """Where a request is tried: a copy of what was prepared, by file or by database."""

    def __init__(self, world, folder, server):
        self._world = world
        self._folder = folder
        self._server = server
        self._prepared = world.settings
        self._tries = 0

    def fresh(self):
        """Point the world at a new copy."""
        self._tries += 1
        prepared = self._prepared
        copy = self._folder / f"{prepared.data_dir.name}-{self._tries}"
        shutil.copytree(prepared.data_dir, copy)
        changes = {"data_dir": copy}
        if prepared.database_url:
            name = prepared.database_url.get_secret_value().rpartition("/")[2]
            changes["database_url"] = SecretStr(self._server.database(name))
        self._world.settings = prepared.model_copy(update=changes)

    def remove(self):
        """Remove the copy."""
        settings = self._world.settings
        shutil.rmtree(settings.data_dir)
        if settings.database_url:
            self._server.drop(settings.database_url.get_secret_value())


def in_child(work):
    """Run `work` in a process of its own; returns the signal that killed it, or 0."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:  # noqa: BLE001 - nothing may go on in a child but its end
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    if os.waitstatus_to_exitcode(status):
        sys.exit("the child's error stands above")
    return 0


def with_world(world, work):
    """Start the world in this process, and stop it."""

    def run():
        with start_blocking_portal() as portal:
            world._portal = portal
            world.start()
            try:
                work()
            finally:
                SHIM.disarm()
                world.stop()

    return run


def asked_and_killed(world, operation, boundary):
    def work():
        SHIM.arm(boundary)
        assert operation.ask(world)

    return in_child(with_world(world, work)) == signal.SIGKILL


def converges(world, operation):
    def work():
        assert world.stages() in (operation.before, operation.after), world.stages()
        done = world.stages() == operation.after
        check(world, operation, done)
        assert operation.ask(world)
        assert world.stages() == operation.after
        check(world, operation, done=True)

    in_child(with_world(world, work))


def check(world, operation, done):
    """All of the request is there, or nothing; and nothing beside it."""
    assert world.get("/readyz", role=None).status_code == 200
    assert world.get("/v1/ledger/verify").json()["problem"] is None
    found = len(world.history(operation.kind))
    assert found == (operation.entries if done else 0), found
    versions = world.state["versions"]
    origins = [digest for v in versions for digest in v["metadata"]["made_from"].values()]
    for digest in [*(version["digest"] for version in versions), *origins]:
        base = f"/v1/artifacts/{digest}"
        manifest = world.get(f"{base}/manifest")
        assert manifest.status_code == 200, manifest.text
        for name in manifest.json()["files"]:
            assert world.get(f"{base}/files/{name}").status_code == 200
    incoming = world.settings.data_dir / "artifacts" / "incoming"
    assert not list(incoming.iterdir())


def kill_everywhere(operation, folder, server, stride):
    """Return how many boundaries the request has and at how many it was killed."""
    world = conftest.World(folder, None)
    if server:
        update = {
            "database_url": SecretStr(server.database()),
            "database_password": SecretStr(PASSWORD),
        }
        world.settings = world.settings.model_copy(update=update)
    with start_blocking_portal() as portal:
        world._portal = portal
        world.start()
        operation.prepare(world)
        world.stop()
    place = Place(world, folder, server)
    boundary = kills = 0
    while True:
        place.fresh()
        killed = asked_and_killed(world, operation, boundary + 1)
        kills += killed
        converges(world, operation)
        place.remove()
        if not killed:
            return {"boundaries": boundary, "kills": kills}
        boundary += stride


def main():
    folder, database, stride = Path(sys.argv[1]), sys.argv[2], int((sys.argv[3:] or ["1"])[0])
    found = {}
    with postgresql_server() if database == "postgresql" else nullcontext() as server:
        for operation in (Register(), Promote(), Rollback()):
            own = folder / operation.name
            own.mkdir()
            found[operation.name] = kill_everywhere(operation, own, server, stride)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    conftest = load_conftest()
    fakes = conftest.fakes
    main()
