"""FastAPI on the Keras network: `uvicorn fastapi_keras:app`, no access log.

/predict calls model.predict, as the tutorials do; /call the compiled function of the model, what
Keras' documentation advises for small inputs.
"""

import os
from pathlib import Path

import tensorflow as tf
from fastapi import FastAPI
from keras_model import KerasModel
from pydantic import BaseModel

app = FastAPI()
network = KerasModel(Path(os.environ["MODELS"]))
call = tf.function(lambda ids: network.model(ids, training=False))


class Asked(BaseModel):
    text: str


@app.post("/predict")
async def predict(asked: Asked) -> dict[str, float]:
    return {"score": network.predict([asked.text])[0]}


@app.post("/call")
async def call_function(asked: Asked) -> dict[str, float]:
    return {"score": float(call(tf.constant(network.encode([asked.text])))[0, 0])}
