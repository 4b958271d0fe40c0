"""The compiled scorer behind the least ASGI app there is: `uvicorn plain_asgi:app`.

No metrics, events, limits or ids: what a server without a lane could reach at best.
"""

import os
from pathlib import Path

import msgspec

from textmodels.artifacts import load_artifact

_, predictor = load_artifact(Path(os.environ["MODELS"]) / os.environ["FAMILY"])
encode = msgspec.json.Encoder().encode


class Asked(msgspec.Struct):
    text: str


decode = msgspec.json.Decoder(Asked).decode


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    scores = predictor.predict([decode(body).text]).scores[0]
    answer = encode({"score": float(scores[-1])})
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
