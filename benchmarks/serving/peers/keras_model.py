"""The trained network in Keras, from its weights, with the words' ids as it was trained on."""

import json
import re

import keras
import numpy as np

WORDS = re.compile(r"(?u)\b\w\w+\b")


class KerasModel:
    """Ids 0 and 1 pad and stand for unknown words; a term's id is its column + 2."""

    def __init__(self, models):
        vocabulary = json.loads((models / "vocabulary.json").read_text())
        self.ids = {term: column + 2 for term, column in vocabulary["columns"].items()}
        self.length = vocabulary["max_length"]
        with np.load(models / "weights.npz") as weights:
            arrays = [weights[name] for name in ("embedding", "kernel", "bias")]
        self.model = keras.Sequential(
            [
                keras.Input((self.length,), dtype="int32"),
                keras.layers.Embedding(*arrays[0].shape),
                keras.layers.GlobalMaxPooling1D(),
                keras.layers.Dense(1, "sigmoid"),
            ]
        )
        self.model.set_weights(arrays)

    def encode(self, texts):
        """Return the ids of texts, [n, max_length]."""
        ids = np.zeros((len(texts), self.length), np.int32)
        for row, text in zip(ids, texts, strict=True):
            words = WORDS.findall(text.lower())[: self.length]
            row[: len(words)] = [self.ids.get(word, 1) for word in words]
        return ids

    def predict(self, texts):
        """Return the scores that model.predict gives."""
        return self.model.predict(self.encode(texts), verbose=0)[:, 0].tolist()


def load(models):
    """Return a function that scores one text."""
    model = KerasModel(models)
    return lambda text: model.predict([text])[0]
