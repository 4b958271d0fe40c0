"""FastAPI on the pipeline, as a tutorial has it: `uvicorn fastapi_sklearn:app`, no access log."""

import os
from pathlib import Path

import joblib
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
pipeline = joblib.load(Path(os.environ["MODELS"]) / "pipeline.joblib")


class Asked(BaseModel):
    text: str


@app.post("/predict")
async def predict(asked: Asked) -> dict[str, float]:
    return {"score": float(pipeline.predict_proba([asked.text])[0, -1])}
