"""The three dialects of a prediction on the wire: ours, KServe V1, Open Inference Protocol v2.

Each has a model of its request, from which a `TextRequest` is taken, and a function that renders
the answer; two have a narrower model, too, which is read at an eighth of the time. Limits that are
settings are checked by the routes; what a text means, by nobody here.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, model_validator

from textmodels.explanations import Explanation
from textmodels.predictions import Answer


class TextRequest(msgspec.Struct, gc=False):
    """What every dialect asks: the texts to label."""

    texts: Sequence[str]
    id: str | None = None
    parameters: Mapping[str, Any] = {}
    outputs: Sequence[str] = ("label", "scores")


class Labelled(msgspec.Struct, gc=False):
    """The answer to a request, before it takes the form of a dialect."""

    model: str
    digest: str
    labels: tuple[str, ...]
    answers: Sequence[Answer]

    @property
    def predicted(self) -> list[str]:
        """The label of each text."""
        return [self.labels[answer.label_index] for answer in self.answers]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class PlainPredictBody(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """`POST /predict` as nearly everybody sends it."""

    text: str

    def request(self) -> TextRequest:
        """Return the one text."""
        return TextRequest([self.text])


class PlainInstancesBody(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """`POST /v1/models/{m}:predict` as nearly everybody sends it."""

    instances: Annotated[list[str], msgspec.Meta(min_length=1)]

    def request(self) -> TextRequest:
        """Return the texts."""
        return TextRequest(self.instances)


class PredictBody(_Strict):
    """`POST /predict`."""

    text: str

    def request(self) -> TextRequest:
        """Return the one text."""
        return TextRequest([self.text])


class TextInstance(_Strict):
    """An instance written as an object."""

    text: str


class InstancesBody(_Strict):
    """`POST /v1/models/{m}:predict`."""

    instances: Annotated[list[str | TextInstance], FailFast()] = Field(min_length=1)

    def request(self) -> TextRequest:
        """Return the texts of all instances."""
        return TextRequest([i if isinstance(i, str) else i.text for i in self.instances])


Parameters = Annotated[dict[str, str | bool | int | float], Field(max_length=64)]
"""As the Open Inference Protocol has them: plain values under names."""

_NO_BINARY = "the binary data extension is not offered here: send and take tensors as JSON"


def _in_one_row(elements: Any) -> Any:
    """Return [["a"], ["b"]], which fills the shape [2, 1], as ["a", "b"]; all else as it is."""
    if isinstance(elements, list) and all(isinstance(e, list) and len(e) == 1 for e in elements):
        return [element for (element,) in elements]
    return elements


class TextTensor(_Strict):
    """An input tensor of texts."""

    name: str = Field(pattern=r"^text(-[A-Za-z0-9_-]{1,32})?$")
    datatype: Literal["BYTES"]
    shape: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, max_length=2)
    parameters: Parameters = {}
    data: Annotated[list[str], FailFast(), BeforeValidator(_in_one_row)] = []

    @model_validator(mode="after")
    def _fills_its_shape(self) -> "TextTensor":
        if "binary_data_size" in self.parameters:
            raise ValueError(_NO_BINARY)
        if not self.data:
            raise ValueError("the tensor has no data")
        if self.shape[1:] not in ([], [1]):
            raise ValueError(f"shape is {self.shape}: texts are [n] or [n, 1]")
        if len(self.data) != self.shape[0]:
            raise ValueError(f"shape is {self.shape}, but data has {len(self.data)} elements")
        return self


class RequestedOutput(_Strict):
    """An output the caller wants; without any, all are given."""

    name: Literal["label", "scores"]
    parameters: Parameters = {}

    @model_validator(mode="after")
    def _is_json(self) -> "RequestedOutput":
        if self.parameters.get("binary_data"):
            raise ValueError(_NO_BINARY)
        return self


class InferBody(_Strict):
    """`POST /v2/models/{m}/infer`. The texts of several inputs are one batch, in their order."""

    id: str | None = Field(None, max_length=128)
    parameters: Parameters = {}
    inputs: list[TextTensor] = Field(min_length=1, max_length=16)
    outputs: list[RequestedOutput] = Field([], max_length=2)

    @model_validator(mode="after")
    def _fits(self) -> "InferBody":
        if len({tensor.name for tensor in self.inputs}) < len(self.inputs):
            raise ValueError("two inputs have the same name")
        if self.parameters.get("binary_data_output"):
            raise ValueError(_NO_BINARY)
        return self

    def request(self) -> TextRequest:
        """Return the texts of the input tensors, and which outputs are wanted."""
        names = [output.name for output in self.outputs] or ["label", "scores"]
        texts = [text for tensor in self.inputs for text in tensor.data]
        return TextRequest(texts, self.id, self.parameters, names)


def render_predict(_request: TextRequest, labelled: Labelled) -> dict[str, Any]:
    """Answer `POST /predict`: the label, and the score of every label."""
    (answer,) = labelled.answers
    return {
        "prediction": labelled.labels[answer.label_index],
        "scores": dict(zip(labelled.labels, answer.scores, strict=True)),
    }


def render_instances(_request: TextRequest, labelled: Labelled) -> dict[str, Any]:
    """Answer KServe V1: a label for each instance."""
    return {"predictions": labelled.predicted}


def render_explanations(
    labels: Sequence[str], explanations: Sequence[Explanation]
) -> dict[str, Any]:
    """Answer KServe V1's explain: for each instance, what its label's decision is the sum of."""
    return {
        "explanations": [
            {
                "label": labels[each.label_index],
                "score": each.score,
                "decision": each.decision,
                "intercept": each.intercept,
                "features": [
                    {"feature": name, "contribution": added} for name, added in each.features
                ],
                "rest": each.rest,
                "others": each.others,
            }
            for each in explanations
        ]
    }


def render_infer(request: TextRequest, labelled: Labelled) -> dict[str, Any]:
    """Answer the Open Inference Protocol: the tensors that were asked for."""
    rows, columns = len(labelled.answers), len(labelled.labels)
    tensors: dict[str, dict[str, Any]] = {
        "label": {"datatype": "BYTES", "shape": [rows], "data": labelled.predicted},
        "scores": {
            "datatype": "FP32",
            "shape": [rows, columns],
            "parameters": {"labels": json.dumps(labelled.labels)},  # plain values only
            "data": [score for answer in labelled.answers for score in answer.scores],
        },
    }
    answer: dict[str, Any] = {"model_name": labelled.model, "model_version": labelled.digest}
    if request.id is not None:
        answer["id"] = request.id
    return answer | {"outputs": [{"name": name, **tensors[name]} for name in request.outputs]}


def render_metadata(model: str, digest: str, family: str, labels: Sequence[str]) -> dict[str, Any]:
    """Describe the model as the Open Inference Protocol's metadata does."""
    return {
        "name": model,
        "versions": [digest],
        "platform": f"isogloss_{family}",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "scores", "datatype": "FP32", "shape": [-1, len(labels)]},
        ],
    }
