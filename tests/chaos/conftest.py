"""The rollout-controller in a world that fails: real ledger, fakes that pass the adapters' suites.

`make chaos` tries every boundary; a plain run some of them.
"""

import importlib.util
import os
import shutil
import socket
import sys
from pathlib import Path

import anyio.from_thread
import pytest

HERE = Path(__file__).parent
SERVICES = HERE.parents[1] / "services"
WHOLE = os.environ.get("ISOGLOSS_CHAOS") == "yes"
STRIDE = 1 if WHOLE else 17
KEPT_EVERY = 1 if WHOLE else 4


def load(name, path):
    """Return a file as a module; the one that its own member's tests have, where they run too."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == str(path):
            return module
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


load("rollout_controller_fakes", SERVICES / "rollout-controller/tests/fakes.py")
registry = load("registry_proxy_world", SERVICES / "registry-proxy/tests/conftest.py")
deeds = load("chaos_deeds", HERE / "deeds.py")
worlds = load("chaos_worlds", HERE / "worlds.py")
stories = load("chaos_stories", HERE / "stories.py")
load("rollout_controller_service_process", SERVICES / "rollout-controller/tests/service_process.py")
load("chaos_supervised", HERE / "supervised.py")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A registry with version 1 in PRODUCTION, and 2 and 3 in STAGING."""
    folder = tmp_path_factory.mktemp("prepared")
    with anyio.from_thread.start_blocking_portal() as portal:
        world = registry.World(folder, portal).start()
        assert world.put_policy().status_code == 200
        world.released("r1")
        world.staged("r2")
        world.staged("r3")
        world.stop()
    return world


@pytest.fixture
def stand_in():
    """The folder of a predictor that misbehaves on purpose, and otherwise costs nothing."""
    return HERE / "stand_in"


@pytest.fixture
def free_ports():
    def find(count):
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        ports = [each.getsockname()[1] for each in sockets]
        for each in sockets:
            each.close()
        return ports

    return find


@pytest.fixture
def played(prepared, tmp_path_factory):
    """Play a story on a copy of what was prepared; returns how it ended."""

    async def play(story, at=0, fault=deeds.KILLED, fails=None, ends_after=None):
        folder = tmp_path_factory.mktemp("played")
        shutil.copytree(prepared.settings.data_dir, folder / "registry")
        settings = prepared.settings.model_copy(update={"data_dir": folder / "registry"})
        try:
            async with worlds.open_world(prepared, settings, story.spec) as world:
                return await worlds.play(world, story, (at, fault), fails, ends_after)
        finally:
            shutil.rmtree(folder)

    return play


@pytest.fixture
def boundaries():
    """Which boundaries of so many are tried; those of a short run differ from story to story."""

    def chosen(count, story, fault):
        first = 1 + (len(story.name) + deeds.FAULTS.index(fault)) % STRIDE
        return range(first, count + 1, STRIDE)

    return chosen


def pytest_collection_modifyitems(config, items):
    """Keep a part of these tests, but for `make chaos`."""
    ours = [item for item in items if HERE in item.path.parents]
    kept = ours[::KEPT_EVERY]
    left = [item for item in ours if item not in kept]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)
