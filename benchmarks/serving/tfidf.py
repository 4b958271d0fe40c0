"""TF-IDF: one text of 64 words and 32 of them, ours beside other servers of Python models."""

from collections.abc import Iterator, Mapping, Sequence

from alone import alone
from bars import Bar, Report
from loads import Asked
from measure import MANY, Bench, Row, measure_each
from own_server import isogloss, uvicorn
from rows import cpu_ratio, ours, ratio, sameness, theirs
from run import Run
from servers import Dialect, Server
from sink import taking_events
from subject import write_tfidf

PEERS: Mapping[str, float] = {"KServe": 50, "MLServer": 25, "BentoML": 25, "LitServe": 25}
"""How many times as many requests a second ours must answer."""

SCORE = Dialect(
    "/predict", lambda texts: {"text": texts[0]}, lambda answer: [float(answer["score"])]
)
KSERVE = Dialect(
    "/v1/models/sentiment:predict",
    lambda texts: {"instances": list(texts)},
    lambda answer: [scores[-1] for scores in answer["predictions"]],
)
_BENTOML = Dialect("/predict", lambda texts: {"texts": list(texts)}, list)
_MLSERVER = Dialect(
    "/v2/models/sentiment/infer",
    lambda texts: {
        "inputs": [
            {"name": "text", "shape": [len(texts), 1], "datatype": "BYTES", "data": list(texts)}
        ]
    },
    lambda answer: answer["outputs"][0]["data"],
)
_MODELS = {"MODELS": "{models}"}


def measure_tfidf(run: Run) -> Iterator[Row]:
    """Measure every server."""
    subject = write_tfidf(run.home)
    half = max(run.seconds // 2, 1)
    loads = [Asked(8, 1, run.seconds), Asked(1, 1, half), Asked(64, 1, half), Asked(8, MANY, half)]
    with taking_events() as sink, alone("sklearn_pipeline", run.home, run.cores.server) as loop:
        servers = [isogloss(subject.family, sink), *_floors(), *_peers()]
        yield from measure_each(run.chosen(servers), Bench(run.cores, subject, loop, loads))


def judge_tfidf(report: Report, rows: Sequence[Row]) -> list[Bar]:
    """Hold what was measured against the bars."""
    own = ours(rows)
    text = "one text of 64 words, 8 connections: requests/s / "
    bars = [
        report.at_least(f"tfidf-{name.lower()}", f"{text}{name}'s", limit, ratio(rows, name, 8))
        for name, limit in PEERS.items()
    ]
    bars.append(
        report.at_least(
            "tfidf-alone", f"{text}scikit-learn's in-process loop", 25, own and own.times_alone(8)
        )
    )
    mine = own and own.load(8)
    what = "one text of 64 words, 8 connections: CPU us a request"
    bars.append(report.shown("tfidf-cpu", what, mine and mine["cpu_us"]))
    bars += [
        report.shown(
            f"tfidf-cpu-{name.lower()}", f"the same: {name}'s CPU / ours", cpu_ratio(rows, name, 8)
        )
        for name in PEERS
    ]
    kserve = [row.load(8) for row in theirs(rows, "KServe")]
    best = min((load["p99_ms"] for load in kserve if load), default=None)
    slower = mine["p99_ms"] / best if mine and best else None
    what = "p99 at 8 connections / KServe's"
    bars.append(report.at_most("tfidf-p99", what, 1 / 25, slower))
    what = f"{MANY} texts a request, 8 connections: requests/s / KServe's"
    bars.append(report.at_least("tfidf-many", what, 20, ratio(rows, "KServe", 8, MANY)))
    return [*bars, *sameness(report, "tfidf", own)]


def _floors() -> list[Server]:
    """Return what shows how much of the cost is not the server's."""
    own = _MODELS | {"FAMILY": "tfidf_linear"}
    app = uvicorn("plain_asgi:app")
    return [
        Server("null answer, bare uvloop", "", ("null.py", "{port}"), SCORE, is_a_model=False),
        Server("our scorer, plain ASGI on uvicorn", "", app, SCORE, settings=own),
    ]


def _peers() -> list[Server]:
    """Return the peers, each in the settings that its documentation offers for speed."""
    return [
        *_kserve(),
        *_mlserver(),
        *_bentoml(),
        *_litserve(),
        Server(
            "FastAPI, async def",
            "FastAPI",
            uvicorn("fastapi_sklearn:app"),
            SCORE,
            "kserve",
            _MODELS,
        ),
    ]


def _kserve() -> list[Server]:
    start = ("kserve_sklearn.py", "{port}", "{models}")
    return [
        Server("KServe V1", "KServe", start, KSERVE, "kserve", many=KSERVE),
        Server("KServe V1, no log", "KServe", (*start, "quiet"), KSERVE, "kserve", many=KSERVE),
    ]


def _mlserver() -> list[Server]:
    start = ("mlserver_sklearn.py", "{port}", "{other_port}", "{models}")
    together = "MLServer, batches of 64 in 2 ms"
    return [
        Server("MLServer", "MLServer", start, _MLSERVER, "mlserver", many=_MLSERVER),
        Server(together, "MLServer", (*start, "2"), _MLSERVER, "mlserver", many=_MLSERVER),
    ]


def _bentoml() -> list[Server]:
    def start(name: str) -> Sequence[str]:
        return ("-m", "bentoml", "serve", f"bentoml_sklearn:{name}", "--port", "{port}")

    quiet = _MODELS | {"BENTOML_DO_NOT_TRACK": "True"}
    return [
        Server("BentoML", "BentoML", start("Sentiment"), _BENTOML, "bentoml", quiet),
        Server("BentoML, batchable", "BentoML", start("Batching"), _BENTOML, "bentoml", quiet),
    ]


def _litserve() -> list[Server]:
    start = ("litserve_sklearn.py", "{port}", "{models}")
    together = "LitServe, batches of 64 in 2 ms"
    return [
        Server("LitServe", "LitServe", start, SCORE, "litserve"),
        Server(together, "LitServe", (*start, "batching"), SCORE, "litserve"),
    ]
