"""A client that asks an app directly, without a socket; a small Kubernetes API server."""

import asyncio
import importlib.util
import sys
from pathlib import Path

import httpx
import pytest


def _load(name):
    spec = importlib.util.spec_from_file_location(
        f"servicekit_{name}", Path(__file__).with_name(f"{name}.py")
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CallersSuite = _load("callers_suite").CallersSuite
ApiServer = _load("api_server").ApiServer
Issuer = _load("issuer").Issuer


class AppClient:
    def __init__(self, app):
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def request(self, method, path, **options):
        async def ask():
            async with httpx.AsyncClient(transport=self._transport, base_url="http://app") as http:
                return await http.request(method, path, **options)

        return asyncio.run(ask())

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)


@pytest.fixture
def client_of():
    return AppClient


@pytest.fixture
def api_server():
    server = ApiServer().start()
    yield server
    server.stop()


@pytest.fixture
def run():
    """Await something; one event loop for a whole test, as in a service."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def api(api_server, run):
    opened = api_server.open()
    yield opened
    run(opened.close())


@pytest.fixture
def issuer():
    started = Issuer().start()
    yield started
    started.stop()
