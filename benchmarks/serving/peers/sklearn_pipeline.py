"""The pipeline as it was fitted."""

import joblib


def load(models):
    """Return a function that scores one text."""
    pipeline = joblib.load(models / "pipeline.joblib")
    return lambda text: float(pipeline.predict_proba([text])[0, -1])
