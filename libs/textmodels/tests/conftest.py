"""Small made-up reviews, and one model of each family fitted on them for the whole session."""

import random

import hypothesis
import pytest

from textmodels.families import fit_family

# How long one example takes says more about the machine's other work than about the code.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

WORDS = {
    "negative": "awful boring clumsy dreadful dull flat lifeless poor tedious weak",
    "neutral": "average decent fair mixed modest ordinary passable plain typical usual",
    "positive": "brilliant charming clever delightful fresh funny gripping superb tender warm",
}
FILLERS = "the a film story plot actor scene and with of in it was is very this that has one"
SMALL_PARAMS = {
    "keras_embedding": {"epochs": 2, "embedding_dim": 8, "max_length": 30, "learning_rate": 0.1},
    "tfidf_linear": {"max_iter": 200},
}


def write_reviews(count: int, names: tuple[str, ...], seed: int = 1) -> tuple[list[str], list[str]]:
    chance = random.Random(seed)  # noqa: S311 - made-up text
    labels = [names[row % len(names)] for row in range(count)]
    texts = []
    for label in labels:
        words = chance.choices(FILLERS.split(), k=chance.randint(5, 50))
        words += chance.choices(WORDS[label].split(), k=5)
        chance.shuffle(words)
        texts.append(" ".join(words).capitalize() + ".")
    return texts, labels


@pytest.fixture(scope="session")
def reviews():
    return write_reviews


@pytest.fixture(scope="session")
def small_params():
    return SMALL_PARAMS


@pytest.fixture(scope="session", params=["tfidf_linear", "keras_embedding"])
def fitted(request):
    texts, labels = write_reviews(300, ("negative", "positive"))
    return fit_family(request.param, texts, labels, SMALL_PARAMS[request.param], seed=3)


@pytest.fixture(scope="session")
def unseen():
    return write_reviews(60, ("negative", "positive"), seed=2)
