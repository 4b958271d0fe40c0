"""A client that asks an app directly, without a socket."""

import asyncio

import httpx
import pytest


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
