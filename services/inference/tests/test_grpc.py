"""The Open Inference Protocol over gRPC, called as a client library calls it.

That the messages are those of the protocol is proven by KServe's own client in tests/system.
"""

import asyncio
import json
import struct

import grpc
import pytest

from inference.app import compose
from inference.oip_grpc.messages import SERVICE, make_messages
from inference.settings import InferenceSettings

TEXT = "a great and fine story"
MESSAGES = make_messages()
SECONDS = 20


class Client:
    def __init__(self, channel):
        self._channel = channel

    async def call(self, name, message=None, **given):
        request, response = MESSAGES[f"{name}Request"], MESSAGES[f"{name}Response"]
        method = self._channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return await method(request() if message is None else message, timeout=SECONDS, **given)

    async def refusal(self, name, message):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self.call(name, message)
        return refused.value.code().name, refused.value.details()


def infer(*texts, raw=None, **given):
    message = MESSAGES["ModelInferRequest"](model_name="sentiment", **given)
    tensor = message.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
    tensor.contents.bytes_contents.extend(
        text if isinstance(text, bytes) else text.encode() for text in texts
    )
    if raw is not None:
        del tensor.contents.bytes_contents[:]
        message.raw_input_contents.append(raw)
    return message


def packed(*texts):
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


@pytest.fixture
def play(artifact):
    """Compose a process with gRPC on, and let a client act on it once it is ready."""

    def play(acts, **settings):
        async def run():
            given = {"model": "sentiment", "artifact": str(artifact), "grpc_port": 0}
            inference = compose(InferenceSettings(**given | settings))
            life = inference.life
            async with inference.predictions.router.lifespan_context(inference.predictions):
                async with asyncio.timeout(SECONDS):
                    while not inference.health.ready:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                async with grpc.aio.insecure_channel(f"127.0.0.1:{life.grpc.port}") as channel:
                    return await acts(Client(channel), life)

        return asyncio.run(run())

    return play


def test_the_answer_is_that_of_rest(play, digest, started):
    body = {"name": "text", "datatype": "BYTES", "shape": [2], "data": [TEXT, "a bad film"]}
    rest = started().post("/v2/models/sentiment/infer", {"inputs": [body]}).json()

    async def acts(client, _life):
        return await client.call("ModelInfer", infer(TEXT, "a bad film", id="42"))

    answer = play(acts)

    label, scores = answer.outputs
    assert (answer.model_name, answer.model_version, answer.id) == ("sentiment", digest, "42")
    assert (label.datatype, list(label.shape)) == ("BYTES", [2])
    assert list(label.contents.bytes_contents) == [b"positive", b"negative"]
    assert (scores.datatype, list(scores.shape)) == ("FP32", [2, 2])
    assert list(scores.contents.fp32_contents) == pytest.approx(rest["outputs"][1]["data"])
    assert json.loads(scores.parameters["labels"].string_param) == ["negative", "positive"]


def test_raw_contents_are_taken_and_given_and_outputs_chosen(play):
    async def acts(client, _life):
        message = infer("", "", raw=packed(TEXT.encode(), b"a bad film"))
        message.inputs[0].parameters["binary_data_size"].int64_param = 40  # as KServe's client says
        both = await client.call("ModelInfer", message)
        message.outputs.add(name="label")
        return both, await client.call("ModelInfer", message)

    both, one = play(acts)

    label, scores = both.raw_output_contents
    assert label == packed(b"positive", b"negative")
    assert struct.unpack("<4f", scores)[1] > 0.5
    assert list(one.raw_output_contents) == [label]


def test_server_and_model_tell_of_themselves(play, digest):
    named = {"name": "sentiment"}

    async def acts(client, _life):
        return [
            (await client.call("ServerLive")).live,
            (await client.call("ServerReady")).ready,
            (await client.call("ServerMetadata")).name,
            (await client.call("ModelReady", MESSAGES["ModelReadyRequest"](**named))).ready,
            await client.call("ModelMetadata", MESSAGES["ModelMetadataRequest"](**named)),
        ]

    *told, metadata = play(acts)

    assert told == [True, True, "isogloss-inference", True]
    assert (metadata.platform, list(metadata.versions)) == ("isogloss_tfidf_linear", [digest])
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [
        ("text", "BYTES", [-1])
    ]


REFUSED = {
    "another model": (MESSAGES["ModelInferRequest"](model_name="other"), "NOT_FOUND"),
    "another version": (infer(TEXT, model_version="sha256:0"), "NOT_FOUND"),
    "no text": (infer(""), "INVALID_ARGUMENT"),
    "too long a text": (infer("x" * 101), "INVALID_ARGUMENT"),
    "too many texts": (infer(*["good"] * 4), "INVALID_ARGUMENT"),
    "not UTF-8": (infer(b"\xff"), "INVALID_ARGUMENT"),
    "a raw element cut off": (infer("", raw=b"\xff\xff\xff\xff"), "INVALID_ARGUMENT"),
    "a raw length cut off": (infer("", raw=b"\x01"), "INVALID_ARGUMENT"),
    "raw contents of no input": (
        MESSAGES["ModelInferRequest"](model_name="sentiment", raw_input_contents=[b"a"]),
        "INVALID_ARGUMENT",
    ),
    "too large": (infer("x" * 5_000), "RESOURCE_EXHAUSTED"),
}


@pytest.mark.parametrize(("message", "code"), REFUSED.values(), ids=REFUSED)
def test_what_rest_refuses_is_refused(play, message, code):
    async def acts(client, _life):
        return await client.refusal("ModelInfer", message)

    limits = {"body_limit_bytes": 2_000, "text_limit_characters": 100, "texts_limit": 3}

    assert play(acts, **limits)[0] == code


def test_calls_are_counted_and_named(play):
    async def acts(client, life):
        method = MESSAGES["ModelInferRequest"]
        await client.call("ModelInfer", infer(TEXT), metadata=[("x-request-id", "r-1")])
        await client.refusal("ModelInfer", method(model_name="sentiment"))
        requests = life.metrics.requests
        return requests["grpc", "ok"].value, requests["grpc", "rejected"].value

    assert play(acts) == (1, 1)


def test_a_fault_does_not_tell_its_words(play):
    async def acts(client, life):
        life.serving.queue._passes = object()
        return await client.refusal("ModelInfer", infer(TEXT))

    code, said = play(acts)

    assert code == "INTERNAL"
    assert "its log says why" in said


def test_readiness_falls_at_once_and_calls_are_served_until_the_delay_is_over(play):
    async def acts(client, life):
        life.health.drain()
        served = await client.call("ModelInfer", infer(TEXT))
        ready = (await client.call("ServerReady")).ready
        life.health.drain()  # the rest of the delay is not needed
        return ready, len(served.outputs)

    assert play(acts, shutdown_delay_seconds=SECONDS) == (False, 2)


def test_grpc_is_off_unless_a_port_is_set(started):
    assert started().inference.life.grpc is None
