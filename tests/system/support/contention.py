"""Many clients promote on the same sequence, again and again: one of them may win each time.

The registry-proxy runs as processes of its own, one on SQLite, two on PostgreSQL. Each try moves
one of two versions of a model through its Gates or out again, so that any two requests of a round
contradict one another.
"""

import asyncio
import importlib.util
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from anyio.from_thread import start_blocking_portal
from pydantic import SecretStr

from postgresql_server import PASSWORD

TESTS = Path(__file__).resolve().parents[3] / "services/registry-proxy/tests"
NEXT = {"STAGING": "ARCHIVED", "ARCHIVED": "STAGING"}
PATH = "/v1/models/sentiment"


@dataclass(frozen=True)
class Contention:
    """How often exactly one client won, what else was answered, and what the chain says after."""

    rounds: int
    one_winner: int
    answers: dict[int, int]
    problem: str | None
    written: int
    seconds: float


def load_conftest():
    spec = importlib.util.spec_from_file_location("registry_proxy_world", TESTS / "conftest.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contend(folder, clients, rounds, server=None):
    """Let them contend, on a PostgreSQL `server` or in a SQLite file of `folder`."""
    conftest = load_conftest()
    world = conftest.World(folder, None)
    settings = {"data_dir": folder / "registry"}
    if server:
        settings |= {"database_url": server.database(), "database_password": PASSWORD}
        changes = {k: SecretStr(settings[k]) for k in ("database_url", "database_password")}
        world.settings = world.settings.model_copy(update=changes)
    with start_blocking_portal() as portal:
        world._portal = portal
        world.start()
        world.clock.now = time.time()  # the processes' clock, so that Evidence counts there
        world.put_policy()
        world.staged("r1")
        world.staged("r2")
        world.stop()
    with ExitStack() as stack:
        urls = []
        for number in range(2 if server else 1):
            own = settings | {"data_dir": folder / f"registry{number or ''}"}
            process = conftest.Process(world, port=conftest.free_port(), **own)
            stack.callback(process.kill)
            urls.append(process.ready().url)
        return asyncio.run(_contend(urls, world.tokens["operator"], clients, rounds))


async def _contend(urls, token, clients, rounds):
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    headers = {"authorization": f"Bearer {token}"}
    answers, one_winner, began = {}, 0, time.monotonic()
    async with httpx.AsyncClient(
        headers=headers, limits=limits, timeout=60, trust_env=False
    ) as http:
        first = (await http.get(urls[0] + PATH)).json()["seq"]
        for _ in range(rounds):
            found = await _round(http, urls, clients)
            one_winner += found.count(200) == 1
            for status in found:
                answers[status] = answers.get(status, 0) + 1
        report = (await http.get(f"{urls[-1]}/v1/ledger/verify")).json()
        last = (await http.get(urls[-1] + PATH)).json()["seq"]
    seconds = time.monotonic() - began
    return Contention(rounds, one_winner, answers, report["problem"], last - first, seconds)


async def _round(http, urls, clients):
    state = (await http.get(urls[0] + PATH)).json()
    bodies = [
        {"digest": v["digest"], "to": NEXT[v["stage"]], "expected_seq": state["seq"]}
        for v in state["versions"]
    ]
    asked = [
        http.post(f"{urls[n % len(urls)]}{PATH}/transitions", json=bodies[n // 2 % len(bodies)])
        for n in range(clients)
    ]
    return [answer.status_code for answer in await asyncio.gather(*asked)]
