"""MiniLM: one text of natural length a request, ours in float32 and int8 beside torch's servers."""

from collections.abc import Iterator, Sequence

import numpy as np
from alone import alone
from bars import Bar, Report
from loads import Asked
from measure import Bench, Row, measure_each
from minilm_subject import write_minilm
from own_server import isogloss
from rows import best_of, ours
from run import Run
from safetensors.numpy import load_file
from servers import Dialect, Server
from sink import taking_events
from subject import Subject
from tfidf import KSERVE, SCORE

CONNECTIONS = 32
FLOAT32, INT8 = "Isogloss, float32", "Isogloss, int8"

_LIMITS = {FLOAT32: (1.05, 1.3), INT8: (1.9, 2.4)}
"""What ours must be of the in-process loop's texts a second, and of each peer's."""

_PEERS = ("KServe", "LitServe", "infinity")
# As others of its model's size, infinity is asked for the encoder's rows; the head is applied
# where the answers are compared.
_INFINITY = "import os, sys; os.chdir(sys.argv.pop(1)); from infinity_emb.cli import cli; cli()"
"""It finds an ONNX file only in the directory it is started in."""
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "INFINITY_LOG_LEVEL": "warning",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "DO_NOT_TRACK": "1",
    "HF_HOME": "{models}/hub",
}


def measure_minilm(run: Run) -> Iterator[Row]:
    """Measure every server; the in-process loop is ONNX Runtime, text by text."""
    subject = write_minilm(run.home)
    loads = [Asked(CONNECTIONS, 1, 2 * run.seconds), Asked(1, 1, run.seconds)]
    loop = alone("onnx_encoder", run.home, run.cores.server, "infinity")
    with taking_events() as sink, loop as engine:
        own = [
            isogloss("minilm_float32", sink, FLOAT32),
            isogloss("minilm_int8", sink, INT8),
        ]
        bench = Bench(run.cores, subject, engine, loads)
        yield from measure_each(run.chosen([*own, *_peers(subject)]), bench)


def judge_minilm(report: Report, rows: Sequence[Row]) -> list[Bar]:
    """Hold what was measured against the bars."""
    return [bar for name in _LIMITS for bar in _judge(report, rows, name)]


def _judge(report: Report, rows: Sequence[Row], name: str) -> Iterator[Bar]:
    own, (alone_limit, peer_limit) = ours(rows, name), _LIMITS[name]
    mine = own and own.times_alone(CONNECTIONS)
    precision = name.rpartition(" ")[2]
    what = f"MiniLM {precision}, {CONNECTIONS} connections: texts/s / "
    loop = f"{what}in-process ONNX Runtime's, one by one"
    yield report.at_least(f"minilm-{precision}-alone", loop, alone_limit, mine)
    for peer in _PEERS:
        best = best_of(rows, peer, CONNECTIONS)
        value = mine / best if mine and best else None
        yield report.at_least(
            f"minilm-{precision}-{peer.lower()}", f"{what}{peer}'s", peer_limit, value
        )


def _peers(subject: Subject) -> list[Server]:
    kserve = ("kserve_torch.py", "{port}", "{models}")
    litserve = ("litserve_torch.py", "{port}", "{models}")
    embeddings = _embeddings(subject)
    return [
        Server("KServe V1, torch", "KServe", kserve, KSERVE, "torch"),
        Server("LitServe, torch", "LitServe", litserve, SCORE, "torch"),
        Server(
            "LitServe, torch, batches of 16 in 5 ms",
            "LitServe",
            (*litserve, "batching"),
            SCORE,
            "torch",
        ),
        Server("infinity, torch", "infinity", _infinity("torch"), embeddings, "infinity", _OFFLINE),
        Server(
            "infinity, optimum", "infinity", _infinity("optimum"), embeddings, "infinity", _OFFLINE
        ),
    ]


def _infinity(engine: str) -> Sequence[str]:
    folder = {"torch": "{models}/pretrained", "optimum": "{models}/onnx"}[engine]
    model = ("--model-id", ".", "--served-model-name", "minilm", "--engine", engine)
    listen = ("--device", "cpu", "--host", "127.0.0.1", "--port", "{port}")
    return ("-c", _INFINITY, folder, "v2", *model, *listen)


def _embeddings(subject: Subject) -> Dialect:
    head = load_file(subject.home / "head.safetensors")

    def score(row: Sequence[float]) -> float:
        unit = np.asarray(row) / np.linalg.norm(row)
        return float(1 / (1 + np.exp(-(unit @ head["kernel"] + head["bias"])[0])))

    return Dialect(
        "/embeddings",
        lambda texts: {"model": "minilm", "input": list(texts)},
        lambda answer: [score(each["embedding"]) for each in answer["data"]],
    )
