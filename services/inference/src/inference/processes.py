"""Composition of several processes that serve one version: see `workers`.

A version whose model is plain arrays is loaded once, before the workers are forked: they share its
pages. An engine with threads of its own is loaded by each worker.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from socket import socket

from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inference.app import (
    METRICS_PORT,
    PAGES_CONNECTIONS,
    PORT,
    artifact_source,
    compose,
    connection_limits,
    settle_memory,
    watch_lifeline,
)
from inference.board import Board
from inference.connections import bounded
from inference.envelope import Message, Receive, Send
from inference.lane_protocol import lane_protocol
from inference.load import LoadedVersion, load_version, when_available
from inference.metrics import Cells, Metrics
from inference.ports import ArtifactSource
from inference.settings import InferenceSettings
from inference.workers import Place, Supervisor
from servicekit.problems import install_problem_pages
from servicekit.process import Health, Listener, install_pages, open_port, run_apps
from textmodels.artifacts import read_manifest

_ARRAYS = frozenset({"keras_embedding", "tfidf_linear"})
_UNTIL_TOLD = 86_400.0  # the pages are served until the last worker has ended


def run_several(settings: InferenceSettings) -> None:
    """Serve until a signal; raises ArtifactRefused or FileRefused before any worker is there."""
    host, workers = settings.host, settings.workers
    first = open_port(host, settings.port, PORT, shared=True)
    port = first.getsockname()[1]
    opened = [first, *(open_port(host, port, PORT, shared=True) for _ in range(workers - 1))]
    pages = open_port(host, settings.metrics_port, METRICS_PORT)
    source, board = artifact_source(settings), Board(workers)
    supervisor = Supervisor(board, workers)
    supervisor.serve_pages(partial(_serve_pages, settings, pages, supervisor, source.digest))
    load = partial(_load_if_arrays, board, source)
    version = asyncio.run(when_available(load, lambda _reason: None))  # the log has the reasons
    settle_memory()

    def serve(worker: int) -> None:
        board.enter(worker, os.getpid())
        cells = board.cells(worker)
        place = Place(version, cells, partial(board.mark_ready, worker), supervisor.lifeline)
        inference = compose(settings, place)
        lane = bounded(lane_protocol(inference.lane), connection_limits(settings))
        listener = Listener(inference.public, host, port, PORT, lane, opened[worker])
        run_apps([listener], inference.health, settings.shutdown_delay_seconds)

    sys.exit(supervisor.run(serve))


def _load_if_arrays(board: Board, source: ArtifactSource) -> LoadedVersion | None:
    family = read_manifest(source.fetch()).family
    board.family = family
    return load_version(source) if family in _ARRAYS else None


def _serve_pages(
    settings: InferenceSettings, opened: socket, supervisor: Supervisor, digest: str
) -> None:
    health, cells, board = Health(), Cells.own(), supervisor.board
    metrics = Metrics(settings.slo_milliseconds, cells, lambda: board.pids)

    @contextlib.asynccontextmanager
    async def until_the_parent_ends(_app: FastAPI) -> AsyncIterator[None]:
        watch_lifeline(supervisor.lifeline, health)
        yield

    app = FastAPI(openapi_url=None, lifespan=until_the_parent_ends)
    install_problem_pages(app)
    install_pages(app, health, metrics.registry)

    async def look_first(scope: Message, receive: Receive, send: Send) -> None:
        health.mark("workers", board.missing)
        board.add_into(cells)
        if board.family is not None:
            metrics.observe_version(settings.model, digest, board.family)
        await app(scope, receive, send)

    few = replace(connection_limits(settings), connections=PAGES_CONNECTIONS)
    http = bounded(HttpToolsProtocol, few)
    listener = Listener(
        look_first, settings.host, settings.metrics_port, METRICS_PORT, http, opened
    )
    run_apps([listener], health, _UNTIL_TOLD)
