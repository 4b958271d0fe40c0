"""Asks a predictor with KServe's own clients and prints, as JSON, what they understood.

It is run by test_clients.py in an environment that has them, and knows nothing of Isogloss.
"""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.inference_client import InferenceGRPCClient
from kserve.protocol.infer_type import RequestedOutput


def request(model, texts, *, binary=False, outputs=None):
    tensor = InferInput("text", [len(texts)], "BYTES")
    values = np.array([text.encode() for text in texts], dtype=np.object_)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(model, [tensor], request_id="42", request_outputs=outputs)


def understood(answer):
    return {
        "id": answer.id,
        "version": answer.model_version,
        "outputs": {
            output.name: [
                each.decode() if isinstance(each, bytes) else each
                for each in output.as_numpy().ravel().tolist()
            ]
            for output in answer.outputs
        },
    }


async def refusal(asking):
    try:
        await asking
    except httpx.HTTPStatusError as error:
        return error.response.status_code
    return None


async def ask_v1(url, model, texts):
    client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    instances = {"instances": texts}
    told = {
        "live": await client.is_server_live(url),
        "ready": await client.is_model_ready(url, model),
        "predictions": (await client.infer(url, instances, model_name=model))["predictions"],
        "explanations": (await client.explain(url, model, instances))["explanations"],
        "another model": await refusal(client.infer(url, instances, model_name="other")),
    }
    await client.close()
    return told


async def ask_v2(url, model, texts):
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    chosen = [RequestedOutput("label")]
    told = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model ready": await client.is_model_ready(url, model),
        "all": understood(await client.infer(url, request(model, texts), model_name=model)),
        "label": understood(
            await client.infer(url, request(model, texts, outputs=chosen), model_name=model)
        ),
        "binary": await refusal(
            client.infer(url, request(model, texts, binary=True), model_name=model)
        ),
    }
    await client.close()
    return told


async def ask_grpc(address, model, texts):
    async with InferenceGRPCClient(address, retries=0) as client:
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model ready": await client.is_model_ready(model),
            "all": understood(await client.infer(request(model, texts))),
            "raw": understood(await client.infer(request(model, texts, binary=True))),
        }


async def main():
    url, address, model, *texts = sys.argv[1:]
    told = {
        "v1": await ask_v1(url, model, texts),
        "v2": await ask_v2(url, model, texts),
        "grpc": await ask_grpc(address, model, texts),
    }
    sys.stdout.write(json.dumps(told) + "\n")


asyncio.run(main())
