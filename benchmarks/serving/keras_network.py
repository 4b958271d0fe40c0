"""The Keras network over HTTP: ours, without TensorFlow, beside FastAPI with Keras in it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from alone import alone
from bars import Bar, Report
from loads import Asked
from measure import Bench, Row, measure_each
from own_server import isogloss, uvicorn
from rows import cpu_ratio, ours, ratio, sameness
from run import Run
from servers import Dialect, Server
from sink import taking_events
from subject import write_keras

_SCORE = Dialect(
    "/predict", lambda texts: {"text": texts[0]}, lambda answer: [float(answer["score"])]
)


def measure_keras(run: Run) -> Iterator[Row]:
    """Measure every server; the in-process loop is model.predict."""
    subject = write_keras(run.home)
    loads = [Asked(8, 1, run.seconds), Asked(1, 1, max(run.seconds // 2, 1))]
    loop = alone("keras_model", run.home, run.cores.server, "keras")
    with taking_events() as sink, loop as model:
        servers = [isogloss(subject.family, sink), *_peers()]
        yield from measure_each(run.chosen(servers), Bench(run.cores, subject, model, loads))


def judge_keras(report: Report, rows: Sequence[Row]) -> list[Bar]:
    """Hold what was measured against the bar."""
    what = "Keras network, 8 connections: requests/s / FastAPI with model.predict's"
    cpu = "Keras network, 8 connections: CPU a request of FastAPI with model.predict / ours"
    return [
        report.at_least("keras-fastapi", what, 200, ratio(rows, "model.predict", 8)),
        report.shown("keras-cpu", cpu, cpu_ratio(rows, "model.predict", 8)),
        *sameness(report, "keras", ours(rows)),
    ]


def _peers() -> list[Server]:
    app = uvicorn("fastapi_keras:app")
    models = {"MODELS": "{models}"}
    predict = Server("FastAPI, model.predict", "model.predict", app, _SCORE, "keras", models)
    call = replace(_SCORE, path="/call")
    compiled = Server("FastAPI, tf.function", "tf.function", app, call, "keras", models)
    return [predict, compiled]
