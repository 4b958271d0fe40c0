"""Requests and responses as KServe's logger sends them, joined by id and measured. Pure.

For runtimes that report no events of their own. Its CloudEvents carry the texts: they are measured
on arrival and dropped, and nothing of them is kept or written. What other runtimes do not tell
(scores, projection, fingerprint) stays empty, so such a version is counted and paired, and has no
Reference to be compared with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgpack
import numpy as np

from drift_monitor.batches import MAX_ROWS, PROJECTION, SCHEMA

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
_SLICE_HEADER = "x-slice-"
_MOST_HALVES = 10_000
"""Of which the other half is missing: the logger never sends the response of a failed request."""
_HALF_SECONDS = 60.0
_NO_ANSWER = None


class LogRefused(Exception):
    """An event that cannot be used; the text says why."""


@dataclass(frozen=True)
class Half:
    """One event, measured: what a request's texts are like, or which labels a response gave."""

    model: str
    version: str
    request_id: str
    slices: Mapping[str, str]
    time: float
    texts: Sequence[tuple[int, int, float]] | None = None
    labels: Sequence[str] | None = None


@dataclass
class Join:
    """Halves by id, and whole rows by version, until they are taken."""

    halves: dict[str, Half] = field(default_factory=dict)
    rows: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    dropped: int = 0

    def add(self, event_id: str, half: Half) -> None:
        """Keep a half, or join it to its other one; a repeated one changes nothing."""
        other = self.halves.get(event_id)
        if other is None:
            self.halves[event_id] = half
            if len(self.halves) > _MOST_HALVES:
                self._drop(next(iter(self.halves)))
        elif (other.texts is None) != (half.texts is None):
            del self.halves[event_id]
            asked, answered = (half, other) if half.texts is not None else (other, half)
            self._join(asked, answered)

    def take(self, now: float, new_id: str) -> list[bytes]:
        """Return all whole rows as batches, and let go of halves that wait too long."""
        for event_id, half in list(self.halves.items()):
            if half.time > now - _HALF_SECONDS:
                break
            self._drop(event_id)
        batches: list[bytes] = []
        for (model, version), rows in self.rows.items():
            for start in range(0, len(rows), MAX_ROWS):
                name = f"logger-{new_id}-{len(batches)}"
                batches.append(_pack(name, model, version, rows[start : start + MAX_ROWS]))
        self.rows.clear()
        return batches

    def _join(self, asked: Half, answered: Half) -> None:
        texts, labels = asked.texts or (), answered.labels or ()
        if len(texts) != len(labels):
            self._fail(asked)
            return
        held = self.rows.setdefault((asked.model, asked.version), [])
        several = len(texts) > 1
        for number, (measured, label) in enumerate(zip(texts, labels, strict=True)):
            name = f"{asked.request_id}#{number}" if several else asked.request_id
            held.append(_row(asked, answered, name, measured) | {"answer": label})

    def _drop(self, event_id: str) -> None:
        self._fail(self.halves.pop(event_id))

    def _fail(self, half: Half) -> None:
        """Count a request of which a half is missing as failed: `arrivals` finds many of them."""
        self.dropped += 1
        row = _row(half, half, half.request_id, (0, 0, 0.0))
        failed = row | {"outcome": "error", "answer": _NO_ANSWER}
        self.rows.setdefault((half.model, half.version), []).append(failed)


def read_half(headers: Mapping[str, str], body: bytes, now: float) -> tuple[str, Half]:
    """Read one CloudEvent in binary mode, its attributes as `ce-` headers; raises LogRefused."""
    kind, event_id = headers.get("ce-type", ""), headers.get("ce-id", "")
    name = headers.get("ce-inferenceservicename", "")
    if kind not in {REQUEST, RESPONSE} or not event_id or not name:
        raise LogRefused("ce-type, ce-id and ce-inferenceservicename of KServe's logger are needed")
    document = _document(body)
    place = (headers.get("ce-namespace", ""), name, headers.get("ce-endpoint", ""))
    named = _metadata(headers.get("ce-metadata", ""))
    given = {
        key.removeprefix(_SLICE_HEADER): value
        for key, value in named.items()
        if key.startswith(_SLICE_HEADER) and 0 < len(value) <= 64
    }
    return event_id, Half(
        model=name,
        # Nobody else names what such a runtime serves: the place does.
        version="sha256:" + sha256("/".join(place).encode()).hexdigest(),
        request_id=named.get("x-request-id", event_id),
        slices=given,
        time=now,
        texts=[_measure(text) for text in _texts(document)] if kind == REQUEST else None,
        labels=_labels(document) if kind == RESPONSE else None,
    )


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise LogRefused("the event holds no JSON") from error
    if not isinstance(document, dict):
        raise LogRefused("the event holds no JSON object")
    return document


def _metadata(text: str) -> dict[str, str]:
    """Read the headers that the logger was told to pass on (`metadataHeaders`)."""
    try:
        held = json.loads(text) if text else {}
    except ValueError:
        return {}
    found = {}
    for key, value in held.items() if isinstance(held, dict) else ():
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str):
            found[str(key).lower()] = first
    return found


def _texts(document: Mapping[str, Any]) -> list[str]:
    if isinstance(document.get("text"), str):
        return [document["text"]]
    found = document.get("instances")
    if found is None:
        found = [each for tensor in _tensors(document, "inputs") for each in tensor["data"]]
    return [_text(each) for each in found] if isinstance(found, list) else []


def _text(given: object) -> str:
    text = given.get("text") if isinstance(given, dict) else given
    if not isinstance(text, str):
        raise LogRefused("an input is not a text")
    return text


def _labels(document: Mapping[str, Any]) -> list[str]:
    if "prediction" in document:
        return [str(document["prediction"])]
    found = document.get("predictions")
    if found is None:
        tensors = _tensors(document, "outputs")
        named = [tensor for tensor in tensors if tensor.get("name") == "label"] or tensors[:1]
        found = [each for tensor in named for each in tensor["data"]]
    return [_label(each) for each in found] if isinstance(found, list) else []


def _label(given: object) -> str:
    label = given.get("label", given.get("prediction")) if isinstance(given, dict) else given
    if not isinstance(label, str | int) or isinstance(label, bool):
        raise LogRefused("an answer is not a label")
    return str(label)[:200]


def _tensors(document: Mapping[str, Any], key: str) -> list[Any]:
    tensors = document.get(key)
    if not isinstance(tensors, list) or not all(
        isinstance(each, dict) and isinstance(each.get("data"), list) for each in tensors
    ):
        raise LogRefused(f"the event holds neither texts nor {key}")
    return tensors


def _measure(text: str) -> tuple[int, int, float]:
    """Return characters, words and the share of visible characters that are not letters."""
    words = text.split()
    visible = sum(map(len, words))
    letters = sum(map(str.isalpha, text))
    return len(text), len(words), 1 - letters / visible if visible else 0.0


def _row(
    asked: Half, answered: Half, name: str, measured: tuple[int, int, float]
) -> dict[str, Any]:
    characters, words, non_letter = measured
    return {
        "request_id": name[:200],
        "time": answered.time,
        "outcome": "ok",
        "latency_ms": max(0.0, 1000 * (answered.time - asked.time)),
        "fingerprint": "",
        "characters": characters,
        "words": words,
        "non_letter": non_letter,
        "language": "und",
        "slices": dict(asked.slices),
        "scores": [],
        "tokens": words,
        "oov": 0.0,
        "truncated": False,
    }


def _pack(name: str, model: str, version: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    labels = sorted({row["answer"] for row in rows} - {_NO_ANSWER})
    columns: dict[str, Any] = {key: [row[key] for row in rows] for key in rows[0]}
    places = {label: place for place, label in enumerate(labels)} | {_NO_ANSWER: -1}
    columns["label"] = [places[answer] for answer in columns.pop("answer")]
    columns["projection"] = np.zeros((len(rows), PROJECTION), dtype="<f2").tobytes()
    head = {"schema": SCHEMA, "batch_id": name, "model": model, "version": version}
    packed = msgpack.packb(head | {"labels": labels, "rows": len(rows), "columns": columns})
    return bytes(packed)
