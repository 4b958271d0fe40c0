"""What every service's OpenAPI document promises, asked of the service itself by schemathesis.

Requests are made from the document, some as it wants them and some as it forbids them. Where a
request names something, it names what is there often enough (`known`), or all would end at 404.
"""

import os
import re
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field

import msgpack
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from requests import Request
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.engine import from_schema
from schemathesis.engine.events import ScenarioFinished
from schemathesis.specs.openapi import checks

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
ADDRESS = "http://service"
MANY = int(os.environ.get("ISOGLOSS_FUZZ_EXAMPLES", "0"))
"""`make fuzz-api` asks so many times, and something else each time."""


@schemathesis.serializer("application/msgpack")
def pack(_context, value):
    return msgpack.packb(value, unicode_errors="surrogatepass", default=str)


@dataclass
class Fuzz:
    """`ask(method, path, headers, body)` gives an httpx.Response; `token` is of a caller who may do
    everything; `known(name, value)` gives what to put in the place of a value of that name.
    """

    document: dict
    ask: object
    token: str
    known: object = lambda _name, value: value
    faults: list[str] = field(default_factory=list)
    answers: Counter = field(default_factory=Counter)

    def __post_init__(self):
        # Requests without a good token would hide everything else; `statuses_for` makes those.
        schema = schemathesis.openapi.from_dict(_without_security(self.document))
        schema.config.update(base_url=ADDRESS)
        self.operations = [each.ok() for each in schema.get_all_operations()]

    def check_answers(self, app, wanted):
        """Insist that each answer is one of the document's, and that all `wanted` statuses came."""
        start = time.time_ns() if MANY else 0
        self.run(MANY or 5, start)
        if MANY:
            self.run_edges(app)
        assert not self.faults, f"asked from {start}:\n" + "\n".join(self.faults)
        assert wanted <= {status for _, _, status in self.answers}

    def check_tokens(self):
        """Insist that what needs a token by the document is refused without a good one."""
        assert self.statuses_for() == {401}
        assert self.statuses_for("Bearer somebody") == {401}

    def run(self, examples, start):
        """Ask each operation so many times in each way; the same `start`, the same requests."""
        for operation in self.operations:
            for mode in schemathesis.GenerationMode:
                self._ask_many(operation, mode, examples, start)

    def run_edges(self, app):
        """Ask for every edge that a schema names (coverage), and for what follows from an answer
        (stateful), as schemathesis does it by itself.
        """
        document = _without_security(self.document)
        schema = schemathesis.openapi.from_dict(document)
        schema.app = _without_lifespan(app)
        schema.config.update(headers={"Authorization": f"Bearer {self.token}"})
        # What a schema allows, a Gate or the state of a Rollout may still refuse.
        schema.config.checks.positive_data_acceptance.enabled = False
        for name in ("examples", "fuzzing"):
            getattr(schema.config.phases, name).enabled = False
        for event in from_schema(schema).execute():
            if isinstance(event, ScenarioFinished):
                self.faults += _faults_of(event)

    def statuses_for(self, authorization=None, methods=None):
        """Return the statuses of all that needs a token by the document, for this one."""
        headers = {"authorization": authorization} if authorization else {}
        return {
            self.ask(method.upper(), re.sub(r"{\w+}", "x", path), headers, b"").status_code
            for path, operations in self.document["paths"].items()
            for method, operation in operations.items()
            if operation.get("security") and method in (methods or operations)
        }

    def _ask_many(self, operation, mode, examples, start):
        @seed(start)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def once(case):
            self._ask_once(case, mode)

        try:
            once()
        except Unsatisfiable:  # there is nothing to get wrong in it
            return

    def _ask_once(self, case, mode):
        if mode.is_positive:
            self._name_known(case)
        sent = Request(**case.as_transport_kwargs(base_url=ADDRESS)).prepare()
        sent.headers["Authorization"] = f"Bearer {self.token}"
        path = sent.url.removeprefix(ADDRESS)
        answer = self.ask(sent.method, path, dict(sent.headers), sent.body)
        self.answers[case.operation.label, mode.value, answer.status_code] += 1
        # Whose names were exchanged is taken for forbidden: they are written otherwise in a path.
        forbidden = [] if mode.is_positive else [checks.negative_data_rejection]
        try:
            case.validate_response(answer, checks=[*CHECKS, *forbidden])
        except FailureGroup as failed:
            for each in failed.exceptions:
                said = f"{answer.status_code} {answer.text[:300]}"
                what = f"{each.title}: {each.message}"
                self.faults.append(f"{sent.method} {path} {sent.body!r}\n  {said}\n  {what}")

    def _name_known(self, case):
        for held in (case.path_parameters, case.query, case.body):
            if isinstance(held, dict):
                for name, value in held.items():
                    held[name] = self.known(name, value)


def _without_security(document):
    paths = {
        path: {
            method: {k: v for k, v in operation.items() if k != "security"}
            for method, operation in operations.items()
        }
        for path, operations in document["paths"].items()
    }
    return {**document, "paths": paths}


def _without_lifespan(app):
    """The service runs already."""

    async def running(scope, receive, send):
        if scope["type"] == "http":
            await app(scope, receive, send)
            return
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    return running


def _faults_of(event):
    found = [check for checks in event.recorder.checks.values() for check in checks]
    return [
        f"{each.name}: {each.failure_info.failure.message}\n  {each.failure_info.code_sample}"
        for each in found
        if each.failure_info
    ]


def often(value):
    """Tell, of three values out of four, always the same of one, that they are to be exchanged."""
    return zlib.crc32(repr(value).encode()) % 4 > 0
