"""Who sends: packed batches of random rows over kept connections, waiting where it is told to."""

import hashlib
import http.client
import threading
import time
from collections.abc import Sequence

import msgpack
import numpy as np

ROWS, LABELS, TOKEN = 500, ["negative", "positive"], "the only one"
KINDS = 40
"""Batches are packed before; each is sent many times, under an id of its own."""
CONNECTIONS = 2


class Sender:
    """Packs batches and posts them to the service at a port."""

    def __init__(self, port: int, versions: Sequence[str], slices: int) -> None:
        self._port = port
        self._rng = np.random.default_rng(1)
        self._bodies = [
            self._packed(versions[kind % len(versions)], kind, slices) for kind in range(KINDS)
        ]
        self.refused = 0

    def send(self, batches: int, first: int) -> None:
        """Post so many batches over several connections."""
        numbers = iter(range(first, first + batches))
        lock = threading.Lock()

        def post() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port)
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    connection.close()
                    return
                self._post(connection, number)

        threads = [threading.Thread(target=post) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def pace(self, batches: int, first: int, a_second: float) -> list[float]:
        """Post batches one after the other at a rate; return the seconds that each took."""
        connection, seconds = http.client.HTTPConnection("127.0.0.1", self._port), []
        due = time.perf_counter()
        for number in range(first, first + batches):
            due += 1 / a_second
            time.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            self._post(connection, number)
            seconds.append(time.perf_counter() - began)
        connection.close()
        return seconds

    def _post(self, connection: http.client.HTTPConnection, number: int) -> None:
        # Ids of batch and requests have a fixed width, so that they are exchanged in place.
        body = self._bodies[number % KINDS].replace(b"batch-00000000", b"batch-%08d" % number)
        body = body.replace(b"r00000000-", b"r%08d-" % number)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/msgpack"}
        while True:
            connection.request("POST", "/v1/events", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == http.client.OK:
                return
            if answer.status != http.client.SERVICE_UNAVAILABLE:
                raise RuntimeError(f"POST /v1/events: {answer.status}")
            self.refused += 1
            time.sleep(0.05)

    def _packed(self, digest: str, kind: int, slices: int) -> bytes:
        columns = draw(self._rng, ROWS)
        names = [f"r00000000-{kind:03d}{row:05d}" for row in range(ROWS)]
        domains = self._rng.integers(0, slices, ROWS)
        lists = {key: columns[key].tolist() for key in ("words", "oov", "non_letter", "scores")}
        more = {
            "request_id": names,
            "time": [time.time()] * ROWS,
            "outcome": ["ok"] * ROWS,
            "label": columns["label_indices"].tolist(),
            "latency_ms": [3.0] * ROWS,
            "characters": (columns["words"] * 6).tolist(),
            "tokens": lists["words"],
            "language": ["en"] * ROWS,
            "truncated": [False] * ROWS,
            "projection": columns["projection"].astype("<f2").tobytes(),
            "fingerprint": [hashlib.sha256(name.encode()).hexdigest()[:32] for name in names],
            "slices": [{"length": "short", "language": "en", "domain": f"d{d}"} for d in domains],
        }
        head: dict[str, object] = {"schema": 1, "batch_id": "batch-00000000", "model": "sentiment"}
        head |= {"version": digest, "labels": LABELS, "rows": ROWS, "columns": lists | more}
        return bytes(msgpack.packb(head))


def draw(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Draw the columns of a Reference."""
    label = rng.integers(0, 2, rows)
    sure = (0.5 + 0.5 * rng.beta(4, 1, rows))[:, None]
    words = np.maximum(1, rng.lognormal(4.8, 0.7, rows)).astype("i4")
    return {
        "projection": (rng.normal(size=(rows, 64)) / 8).astype("f2"),
        "scores": np.where(label[:, None] == np.arange(2), sure, 1 - sure).astype("f4"),
        "label_indices": label,
        "true_indices": np.where(rng.random(rows) < sure[:, 0], label, 1 - label),
        "characters": words * 6,
        "words": words,
        "tokens": words,
        "oov": rng.beta(1, 20, rows).astype("f4"),
        "non_letter": rng.beta(4, 60, rows).astype("f4"),
        "truncated": np.zeros(rows, dtype=bool),
        "language_index": np.zeros(rows, dtype="i2"),
    }
