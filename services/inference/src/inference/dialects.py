"""A body becomes a request for predictions, or the problem its caller is told of.

Both lanes read with this, so that they understand and refuse the same. Limits are held before
work is done. No answer repeats what the caller sent.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import msgspec
from pydantic import ValidationError

from inference.metrics import Route
from inference.schemas import (
    InferBody,
    InstancesBody,
    Labelled,
    PlainInstancesBody,
    PlainPredictBody,
    PredictBody,
    TextRequest,
    render_infer,
    render_instances,
    render_predict,
)
from inference.settings import InferenceSettings
from servicekit.problems import Problem

# Slices become labels of series and keys of sketches: short and plain, or not at all.
_SLICE_VALUE = re.compile(r"[\w.:/ -]{1,64}", re.ASCII)
_ERRORS_SHOWN = 10
NOT_PLAIN_JSON = (b"content-encoding", b"inference-header-content-length")
"""Headers that say a body is not JSON alone."""
encode_json = msgspec.json.Encoder().encode  # a tenth of the standard library's time


class _Body(Protocol):
    """A request's body that has been understood."""

    def request(self) -> TextRequest: ...


@dataclass(frozen=True)
class Dialect:
    """One way to ask for predictions, and to be answered."""

    route: Route
    parse: Callable[[Any], _Body]
    render: Callable[[TextRequest, Labelled], Any]
    parse_plain: Callable[[Any], _Body] | None = None
    """Reads bodies of the usual form only; what it refuses, `parse` may still take."""

    def read(self, body: Any) -> TextRequest:
        """Return what a body asks; raises ValidationError."""
        if self.parse_plain is not None:
            try:
                return self.parse_plain(body).request()
            except (msgspec.MsgspecError, UnicodeDecodeError):
                pass  # it may be of the other form
        return self.parse(body).request()

    def encode(self, asked: TextRequest, labelled: Labelled) -> bytes:
        """Return the body of the answer."""
        return encode_json(self.render(asked, labelled))


decode_predict = msgspec.json.Decoder(PlainPredictBody).decode
PREDICT = Dialect("predict", PredictBody.model_validate_json, render_predict, decode_predict)
V1 = Dialect(
    "v1",
    InstancesBody.model_validate_json,
    render_instances,
    msgspec.json.Decoder(PlainInstancesBody).decode,
)
V2 = Dialect("v2", InferBody.model_validate_json, render_infer)


class Reader:
    """Reads requests within the limits that are set."""

    def __init__(self, settings: InferenceSettings) -> None:
        self._most = settings.texts_limit
        self._longest = settings.text_limit_characters
        self._slices = settings.slices
        self.takes_slices = bool(settings.slices)
        """Whether `slices` ever returns any."""

    def read(self, body: Any, dialect: Dialect) -> TextRequest:
        """Return what a body asks; raises Problem when it is not understood or over a limit."""
        try:
            asked = dialect.read(body)
        except ValidationError as error:
            raise _unfit(error) from error
        self._check_texts(asked.texts)
        return asked

    def require_plain_json(self, header: Callable[[str], str | None]) -> None:
        """Raise Problem when the headers say that the body is compressed, or has binary tensors."""
        if header("inference-header-content-length") is not None:
            detail = "The binary data extension is not offered here: send tensors as JSON."
            raise Problem(415, "binary-extension", "Unsupported Media Type", detail)
        if header("content-encoding") not in {None, "identity"}:
            detail = "Bodies are taken as they are: send this one without Content-Encoding."
            headers = {"Accept-Encoding": "identity"}
            raise Problem(415, "encoded", "Unsupported Media Type", detail, headers=headers)

    def slices(self, named: Callable[[str], object]) -> dict[str, str]:
        """Return the slices that are taken from the caller, of those it gives by name."""
        given = {key: named(key) for key in self._slices}
        return {key: value for key, value in given.items() if _is_slice_value(value)}

    def _check_texts(self, texts: Sequence[str]) -> None:
        if len(texts) > self._most:
            raise _invalid(f"{len(texts)} texts: at most {self._most} are taken at once")
        for text in texts:
            if len(text) > self._longest:
                said = f"has {len(text)} characters: at most {self._longest}"
                raise _invalid(f"text {texts.index(text)} {said}")
            if not text or text.isspace():
                raise _invalid(f"text {texts.index(text)} is empty")


def _unfit(error: ValidationError) -> Problem:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        return Problem(400, "not-json", "Not JSON", faults[0]["msg"])
    shown = [
        {"where": ".".join(map(str, fault["loc"])), "what": fault["msg"]}
        for fault in faults[:_ERRORS_SHOWN]
    ]
    detail = "; ".join(f"{each['where']}: {each['what']}" for each in shown)
    return Problem(422, "invalid-request", "Invalid request", detail, {"errors": shown})


def _invalid(detail: str) -> Problem:
    return Problem(422, "invalid-request", "Invalid request", detail)


def _is_slice_value(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _SLICE_VALUE.fullmatch(value) is not None
