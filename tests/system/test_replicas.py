"""Two registry-proxies on one PostgreSQL: what one writes, the other tells at once."""

import importlib.util
import sys
from pathlib import Path

import anyio.from_thread
import pytest
from pydantic import SecretStr

from postgresql_server import PASSWORD

CONFTEST = Path(__file__).parents[2] / "services/registry-proxy/tests/conftest.py"


@pytest.fixture(scope="module")
def world_class():
    spec = importlib.util.spec_from_file_location("registry_proxy_conftest_for_replicas", CONFTEST)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.World


@pytest.fixture
def replicas(world_class, postgresql, tmp_path):
    shared = {
        "database_url": SecretStr(postgresql.database()),
        "database_password": SecretStr(PASSWORD),
    }
    with anyio.from_thread.start_blocking_portal() as portal:
        worlds = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            world = world_class(tmp_path / name, portal)
            world.settings = world.settings.model_copy(update=shared)
            worlds.append(world.start())
        yield worlds
        for world in worlds:
            world.stop()
    postgresql.drop(shared["database_url"].get_secret_value())


def test_what_one_replica_writes_the_other_tells_at_once(replicas):
    one, other = replicas
    one.put_policy()
    first = one.released("r1")
    assert [other.version("production")["digest"] for _ in range(3)] == [first] * 3

    second = one.in_production("r2")

    assert other.version("production")["digest"] == second
    assert other.version("1")["stage"] == "ARCHIVED"
